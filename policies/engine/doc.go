// Package engine serves the rules to the Pulumi engine as a policy pack, over the
// engine's Analyzer protocol, so that `pulumi preview` and `pulumi up` are judged by the
// same rules as a pull request.
//
// The protocol is spoken directly: the SDK's own helper (policyx) is experimental,
// ignores the enforcement level given to it, and breaks `pulumi policy analyze`.
//
// The engine tells an analyzer neither the state's backend nor what an update deletes or
// replaces: the backend comes from PULUMI_BACKEND_URL or the configuration, and the rule
// on destruction is judged by `lifeboat policy check` on the preview's JSON alone.
package engine
