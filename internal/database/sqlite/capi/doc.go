// Package capi is a thin, typed face of SQLite's C interface as modernc.org/sqlite
// translates it to Go. It exists because database/sql boxes every value, guesses times
// and booleans from declared types, and cannot tell an empty blob from NULL: values
// here keep the storage class and the exact bytes they have in the file.
//
// It owns the only unsafe code around SQLite, and connection lifetimes. It refuses to
// interpret: no retries, no transactions, no conversions. A Conn and its statements are
// for one goroutine at a time; Interrupt alone may be called from any.
//
//	c, err := capi.Open("a.sqlite", capi.ReadWrite)
//	s, err := c.Prepare("SELECT name FROM ward WHERE id = ?")
//	s.BindInt64(1, 7)
//	for {
//		more, err := s.Step()
//		if err != nil || !more { break }
//		use(s.Bytes(0)) // valid until the next Step
//	}
//	s.Close(); c.Close()
package capi
