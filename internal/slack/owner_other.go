//go:build !unix

package slack

import "io/fs"

// foreignOwner knows no owners on this system.
func foreignOwner(fs.FileInfo) string { return "" }
