package restore

// Shares divide the memory of a process that does nothing but restore. All are bytes.
type Shares struct {
	Run   int64 // Config.Memory
	Cache int64 // of the target's pages, where the engine runs in this process; sorting takes as much again
	Heap  int64 // for debug.SetMemoryLimit
}

// programBytes is what a small program takes whatever it restores: the runtime,
// connections, 15 MiB of code. A large one has more code (the command 90 MiB), which the
// system can drop and read again, so that it is not counted.
const programBytes = 24 << 20

// Share divides limit: a restore whose process keeps to the shares stays below it, if it
// is at least MinMemory and programBytes together.
func Share(limit int64) Shares {
	run := max(limit-programBytes, MinMemory)
	cache := run / 10
	return Shares{Run: run, Cache: cache, Heap: run - 2*cache}
}
