// Package retry makes a store's passing failures invisible for a bounded time: a
// decorator that tries again with growing, jittered waits.
//
// It never repeats what cannot succeed (blob.ErrPermanent, ErrExists, ErrNotExist,
// ErrName, ErrEmpty) and never begins a change once the caller's context has ended.
// A Create whose answer was lost is simply called again: the store answers nil to the
// same bytes. A read that breaks off goes on from where it was, a list after the last
// object it gave. An attempt that hangs is given up after a time that grows with its size.
//
// It is for stores that do not try again themselves, and around those that do where an
// outage may last longer than they are patient. It never retries for ever: how long to
// hold a commit back is the caller's decision.
package retry
