//go:build !unix

package logstream

import "os"

// identify cannot tell files apart here: only truncation is noticed, not rotation.
func identify(os.FileInfo) (id fileID, linked bool) { return fileID{}, true }
