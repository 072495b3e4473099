package compose

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// archiveOf answers with a tar of one file; a promised size over the real one is a
// file that grew while it was packed.
func archiveOf(t *testing.T, w http.ResponseWriter, kind byte, size int64, text string) {
	t.Helper()
	stat := base64.StdEncoding.EncodeToString([]byte(`{"name":"f","size":1}`))
	w.Header().Set("X-Docker-Container-Path-Stat", stat)
	tw := tar.NewWriter(w)
	if err := tw.WriteHeader(&tar.Header{Name: "f", Typeflag: kind, Size: size, Mode: 0o600}); err != nil {
		t.Error(err)
	}
	_, _ = tw.Write([]byte(text))
	if int64(len(text)) == size {
		_ = tw.Close()
	}
}

func TestReadFile(t *testing.T) {
	asked := map[string]int{}
	server := fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Query().Get("path")
		asked[path]++
		switch path {
		case "/good":
			archiveOf(t, w, tar.TypeReg, 5, "hello")
		case "/grows":
			if asked[path] < 2 {
				archiveOf(t, w, tar.TypeReg, 50, "hello")
				return
			}
			archiveOf(t, w, tar.TypeReg, 5, "hello")
		case "/torn":
			archiveOf(t, w, tar.TypeReg, 50, "hello")
		case "/directory":
			archiveOf(t, w, tar.TypeDir, 0, "")
		case "/long":
			archiveOf(t, w, tar.TypeReg, 101, strings.Repeat("x", 101))
		default:
			refuse(w, http.StatusNotFound, "Could not find the file "+path)
		}
	})
	c := connectTo(t, server)
	for _, path := range []string{"/good", "/grows"} {
		if got, err := c.ReadFile(t.Context(), "abc", path, 100); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{"/torn": "unexpected EOF", "/directory": "not a regular file", "/long": "at most 100 bytes"} {
		if _, err := c.ReadFile(t.Context(), "abc", path, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := c.ReadFile(t.Context(), "abc", "/none", 100); !errors.Is(err, ErrNotFound) || asked["/none"] != 1 {
		t.Errorf("a file that is not there: %v after %d requests", err, asked["/none"])
	}
}
