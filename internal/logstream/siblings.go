package logstream

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sibling is a file beside the log that may be a rotated part of it.
type sibling struct {
	path  string
	id    fileID
	mtime time.Time
	size  int64
}

// same reports whether two looks saw the same file under the same name.
func (x sibling) same(y sibling) bool { return x.path == y.path && x.id == y.id }

// siblings lists the rotated files of path, oldest first. Compressed ones are of no use.
func siblings(path string) []sibling {
	dir, base := dirOf(path), filepath.Base(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []sibling
	for _, e := range entries {
		name := e.Name()
		if name == base || !strings.HasPrefix(name, base) || compressed(name) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		id, _ := identify(info)
		out = append(out, sibling{path: filepath.Join(dir, name), id: id, mtime: info.ModTime(), size: info.Size()})
	}
	slices.SortFunc(out, byAge)
	return out
}

// byAge puts the older file first. Two files that were last written in one tick of
// the file system's clock go by their names: log.2 is older than log.1, while
// log-20260102 is older than log-20260103.
func byAge(a, b sibling) int {
	if order := a.mtime.Compare(b.mtime); order != 0 {
		return order
	}
	if order := cmp.Compare(generation(b.path), generation(a.path)); order != 0 {
		return order
	}
	return strings.Compare(a.path, b.path)
}

// generation is the n of log.n, 0 when there is none.
func generation(path string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(path), "."))
	if err != nil || n > maxGeneration {
		return 0
	}
	return n
}

// maxGeneration keeps dates (log.20260102) from being taken for generations.
const maxGeneration = 9999

// head hashes the first bytes of the sibling and says how many; an unreadable file has none.
func (x sibling) head(most int) (sum string, n int) {
	f, _, err := openLog(x.path)
	if err != nil {
		return "", 0
	}
	defer func() { _ = f.Close() }() // only read
	return headOf(f, most)
}

func headOf(f logFile, most int) (sum string, n int) {
	buf := make([]byte, most)
	n, _ = f.ReadAt(buf, 0)
	return hash(buf[:n]), n
}

// isStill reports whether x is the file that p tells of: its inode may have been
// used again for another one.
func (p neighbour) isStill(x sibling) bool {
	if p.headLen == 0 {
		return x.size == 0
	}
	sum, n := x.head(p.headLen)
	return n == p.headLen && sum == p.head
}

func compressed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".bz2", ".xz", ".zst":
		return true
	}
	return false
}
