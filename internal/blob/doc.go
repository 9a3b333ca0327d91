// Package blob is the port to the storage of one region: immutable objects that
// are created once, under a name that nothing else can ever take.
//
// Everything Lifeboat keeps (log segments, fences, snapshots, journals, incident
// records) is written through Store.Create and through nothing else, so all of it
// works under write-once immutability, a lost answer is resolved by reading back,
// and two writers can never both win one name.
//
// The package owns the words and the checks that every store shares. It knows no
// cloud and no file system: those are its children dir, memory and azure. Decorators
// (retry) wrap a Store in a Store. Every store passes the suite in blobtest.
package blob
