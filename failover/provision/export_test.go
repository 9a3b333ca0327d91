package provision

// Settle is settle, for tests.
var Settle = settle
