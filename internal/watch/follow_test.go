package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestFollowHistory_TellsEveryLineOnceAcrossRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, HistoryFile)
		appendText(t, path+".1", "old 1\nold 2\n")
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- FollowHistory(ctx, dir, func(line []byte) error { got = append(got, string(line)); return nil })
		}()
		wait := func() { time.Sleep(time.Second); synctest.Wait() }
		wait() // the file is not there yet
		appendText(t, path, "a\nb")
		wait()
		appendText(t, path, "b\n")
		wait()
		appendText(t, path, "written just before the rotation\n")
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		wait() // for a moment there is none
		appendText(t, path+".1", "written after it\n")
		wait()
		appendText(t, path, "new\n"+strings.Repeat("x", maxHistoryLine+10)+"\n\nafter damage\n")
		wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended by its context: %v", err)
		}
		want := []string{"old 1", "old 2", "a", "bb", "written just before the rotation", "written after it", "new", "after damage"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %.300q\nwant %q", got, want)
		}
	})
}

func TestFollowHistory_EndsWithItsReader(t *testing.T) {
	dir := t.TempDir()
	appendText(t, filepath.Join(dir, HistoryFile), "a\n")
	gone := errors.New("broken pipe")
	if err := FollowHistory(t.Context(), dir, func([]byte) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// A rotation between the reading of the two files must neither hide lines nor show
// them twice.
func TestReadHistoryFrom_SurvivesARotationInBetween(t *testing.T) {
	line := func(i int) string {
		return fmt.Sprintf(`{"kind":"alert","id":"notice-%d","type":"notice"}`+"\n", i)
	}
	reads := 0
	entries, err := ReadHistoryFrom(func(name string) ([]byte, error) {
		reads++
		if reads == 1 { // the newest, as it was before the rotation
			return []byte(line(3) + line(4)), nil
		}
		return []byte(line(3) + line(4) + line(5)), nil // the same file, renamed and one line longer
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range entries {
		ids = append(ids, entries[i].ID())
	}
	if got := strings.Join(ids, " "); got != "notice-3 notice-4 notice-5" {
		t.Errorf("got %s", got)
	}
	if _, err := ReadHistoryFrom(func(string) ([]byte, error) { return nil, os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestParseEntry(t *testing.T) {
	for text, want := range map[string]string{
		`{"kind":"alert","id":"a-1","type":"new_type"}`:    "a-1",
		`{"kind":"delivery","event":"a-1","state":"sent"}`: "a-1",
		`{"kind":"notice","text":"x"}`:                     "",
		`{"kind":"alert"}`:                                 "",
		`{"kind":"delivery"}`:                              "",
		`{"kind":"alert","id":7}`:                          "",
		`{"kind":"al`:                                      "",
		`{"id":"a-1","type":"error_rate"}`:                 "",
		`{"kind":"something new","id":"a-1"}`:              "",
		``:                                                 "",
	} {
		e, ok := ParseEntry([]byte(text))
		if ok != (want != "") || (ok && (e.ID() != want || string(e.Raw) != text)) {
			t.Errorf("%s: %+v, %v", text, e, ok)
		}
	}
}
