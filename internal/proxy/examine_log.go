package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// LogExam is the access log as it stands in its directory.
type LogExam struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"` // "file", "missing", or what it is instead
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"`
	// Elsewhere is the file that nginx writes to when it is not the one at Path.
	Elsewhere string   `json:"elsewhere,omitempty"`
	Rotated   int      `json:"rotated"`      // files beside it
	All       int64    `json:"all"`          // bytes, the rotated files included
	Last      []string `json:"last"`         // its last lines
	Err       string   `json:"err,omitzero"` // why it cannot be read
}

// KindFile is the [LogExam.Kind] that is right.
const KindFile = "file"

const (
	lastBytes = 64 << 10
	lastLines = 50
)

// log looks at the access log without reading more than its end.
func (e *Examiner) log() LogExam {
	x := LogExam{Path: e.LogPath, Kind: kindOf(e.LogPath)}
	all, _ := filepath.Glob(e.LogPath + "*") // the pattern is right
	for _, path := range all {
		if fi, err := os.Lstat(path); err == nil && fi.Mode().IsRegular() {
			x.All += fi.Size()
			if path != e.LogPath {
				x.Rotated++
			}
		}
	}
	x.Elsewhere = e.elsewhere()
	if x.Kind != KindFile {
		return x
	}
	f, err := os.Open(e.LogPath)
	if err != nil {
		x.Err = err.Error()
		return x
	}
	defer func() { _ = f.Close() }() // only read
	if fi, err := f.Stat(); err == nil {
		x.Size, x.Modified = fi.Size(), fi.ModTime()
	}
	text := make([]byte, min(x.Size, lastBytes))
	n, err := f.ReadAt(text, x.Size-int64(len(text)))
	if err != nil && !errors.Is(err, io.EOF) {
		x.Err = err.Error()
	}
	x.Last = wholeLines(text[:n], x.Size > lastBytes)
	return x
}

// wholeLines are the last lines of a text that may begin and end within one.
func wholeLines(text []byte, cut bool) []string { //revive:disable-line:flag-parameter
	lines := bytes.Split(text, []byte("\n"))
	lines = lines[:len(lines)-1] // behind the last newline is a line on its way
	if cut && len(lines) > 0 {
		lines = lines[1:]
	}
	out := []string{}
	for _, line := range lines[max(0, len(lines)-lastLines):] {
		out = append(out, string(line))
	}
	return out
}

// kindOf says what stands at a path.
func kindOf(path string) string {
	fi, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return "missing"
	case err != nil:
		return err.Error()
	case fi.Mode().IsRegular():
		return KindFile
	case fi.Mode()&fs.ModeSymlink != 0:
		to, _ := os.Readlink(path) // an unreadable link is one all the same
		return "a symbolic link to " + to
	case fi.IsDir():
		return "a directory"
	}
	return "a special file (" + fi.Mode().Type().String() + ")"
}

// elsewhere names the file in the log's directory that nginx has open instead of the
// log, "" when there is none or the process cannot be looked at.
func (e *Examiner) elsewhere() string {
	fds, _ := filepath.Glob(filepath.Join(e.Proc, "1", "fd", "*")) // the pattern is right
	is, isErr := os.Stat(e.LogPath)
	other := ""
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(target, e.LogPath) {
			continue
		}
		open, err := os.Stat(fd)
		if err != nil {
			continue
		}
		if isErr == nil && os.SameFile(is, open) {
			return ""
		}
		other = target
	}
	return other
}

// diskOf asks for the file system behind a directory.
func diskOf(path string) (Disk, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return Disk{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	size := uint64(st.Bsize) //nolint:gosec,unconvert,nolintlint // its type differs from system to system
	return Disk{
		Path: path, Total: uint64(st.Blocks) * size, Free: uint64(st.Bavail) * size, //nolint:gosec,unconvert,nolintlint // the same
		Files: uint64(st.Files), Left: uint64(st.Ffree), //nolint:gosec,unconvert,nolintlint // the same
	}, nil
}
