//go:build !e2e

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteNew_FailureLeavesNothing(t *testing.T) {
	good := []stackFile{{"compose.yaml", []byte("new")}, {"a", []byte("a")}, {filepath.Join("sub", "b"), []byte("b")}}
	for name, tt := range map[string]struct {
		files []stackFile
		there string
		is    error
	}{
		"somebody else's file appeared": {good, "compose.yaml", fs.ErrExist},
		"an earlier one did":            {good, "a", fs.ErrExist},
		"the directory did":             {good, "sub", fs.ErrExist},
		"a file cannot be written":      {append([]stackFile{{"bad\x00name", nil}}, good...), "other", syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.there), []byte("theirs"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeNew(dir, tt.files); !errors.Is(err, tt.is) {
				t.Errorf("%v, want %v", err, tt.is)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != tt.there {
				t.Errorf("left: %v, %v", entries, err)
			}
			if text, err := os.ReadFile(filepath.Join(dir, tt.there)); err != nil || string(text) != "theirs" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}
