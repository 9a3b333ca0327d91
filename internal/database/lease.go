package database

import "context"

// Lease says which of several agents is at work on a database. It is for liveness alone:
// that two agents never both acknowledge is the fence's doing, whatever a lease says.
// The zero Lease is nobody's.
type Lease struct {
	Holder  string // who is at work; "": nobody, it was given back
	Address string // where the holder's HTTP interface can be reached; "": nowhere
	Beat    int64  // grows with every sign of life
}

// Leaser is a Source that keeps one Lease, in its capture's schema.
type Leaser interface {
	// ReadLease returns the lease as it is committed; zero if there never was one. It
	// changes nothing.
	ReadLease(ctx context.Context) (Lease, error)
	// SwapLease writes next if the lease still is exactly seen, in one transaction, and
	// tells whether it did. After an error it may have.
	SwapLease(ctx context.Context, seen, next Lease) (bool, error)
}
