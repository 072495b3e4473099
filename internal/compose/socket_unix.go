//go:build unix

package compose

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// socketGroup names the group that owns a socket, "" when that is no help:
// unknown, or root, which nobody should join.
func socketGroup(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Gid == 0 {
		return ""
	}
	group, err := user.LookupGroupId(strconv.FormatUint(uint64(stat.Gid), 10))
	if err != nil {
		return ""
	}
	return group.Name
}
