//go:build unix

package logstream

import (
	"os"
	"syscall"
)

// identify returns the device and inode of a file, and whether it still has a name.
func identify(info os.FileInfo) (id fileID, linked bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, true
	}
	//nolint:unconvert // the fields' types differ between systems
	return fileID{dev: uint64(st.Dev), ino: uint64(st.Ino)}, st.Nlink > 0
}
