// Package pace bounds how many bytes a second are read from and written to a store, so
// that a long verification or compaction leaves the line to the log.
//
// It owns the decorator and nothing else: names, errors and durability are those of the
// store inside. One bound holds over all readers and writers of the decorated store.
//
//	slow := pace.New(store, 20<<20) // 20 MiB/s
package pace
