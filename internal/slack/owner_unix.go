//go:build unix

package slack

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// foreignOwner says that a file belongs to another user than root or ourselves.
func foreignOwner(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Geteuid() {
		return ""
	}
	return "belongs to another user (uid " + strconv.FormatUint(uint64(st.Uid), 10) + ")"
}
