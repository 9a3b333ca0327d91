package eventlog_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// topDir is FS_TOPDIR_FL of linux/fs.h.
const topDir = 0x20000

// spread has the file system place folders made in this one far from each other, as it
// does those at its top (chattr +T of ext2 and its successors), where it can.
func spread(b *testing.B, folder string) {
	b.Helper()
	f, err := os.Open(folder)
	require.NoError(b, err)
	defer f.Close()
	if flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags)|topDir)
	}
}
