package logstream

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const nobody = 65534

// TestFollower_F14_WaitsForPermission: a log that may not be read is waited for, and the
// state says why nothing comes. Root may read everything, so it becomes nobody first.
func TestFollower_F14_WaitsForPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	appendTo(t, path, numbered(0, 3))
	must(t, os.Chmod(path, 0))
	if os.Getuid() == 0 {
		must(t, os.Chmod(filepath.Dir(dir), 0o711))
		must(t, os.Chmod(dir, 0o755))
		// Never unlocked: the thread ends with the test.
		runtime.LockOSThread()
		t.Cleanup(func() { _ = syscall.Setfsuid(0) }) // the directory is removed by root
		must(t, syscall.Setfsuid(nobody))
	}
	sink := &pathSink{}
	var states []State
	s := newFollower(FileConfig{
		Path: path, Start: AtBeginning(), OnState: func(s State) { states = append(states, s) },
	}, sink, &sink.counts)
	defer s.close()
	for range 3 {
		must(t, s.poll(t.Context()))
	}
	if len(states) != 1 || !errors.Is(states[0].Err, os.ErrPermission) || len(sink.got) != 0 {
		t.Fatalf("states %v, got %q", states, sink.got)
	}
	if os.Getuid() == 0 {
		must(t, syscall.Setfsuid(0)) // only the owner may change the mode
		must(t, os.Chmod(path, 0o644))
		must(t, syscall.Setfsuid(nobody))
	} else {
		must(t, os.Chmod(path, 0o600))
	}
	must(t, s.poll(t.Context()))
	onceEach(t, 3, sink.got)
	if last := states[len(states)-1]; !last.Connected {
		t.Errorf("states %v", states)
	}
}

// TestFileSource_F14_AppearsAfterHalfAMinute: it is read from its first line on.
func TestFileSource_F14_AppearsAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "access.log")
		var got []string
		src := NewFileSource(FileConfig{Path: path, Start: AtBeginning(), PollOnly: true})
		stop := errors.New("stop")
		done := make(chan error, 1)
		go func() {
			done <- src.Run(t.Context(), func(b Batch) error {
				for i := range b.Records {
					got = append(got, b.Records[i].Path)
				}
				if len(got) == 4 {
					return stop
				}
				return nil
			})
		}()
		time.Sleep(30 * time.Second)
		appendTo(t, path, numbered(0, 3))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		onceEach(t, 3, got)
		appendTo(t, path, numbered(3, 4))
		if err := <-done; !errors.Is(err, stop) {
			t.Error(err)
		}
		onceEach(t, 4, got)
	})
}

// TestFileSource_F14_FollowsALinkThatIsSwitched from one file to another; the first one
// is read until it is silent.
func TestFileSource_F14_FollowsALinkThatIsSwitched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, one, two := filepath.Join(dir, "access.log"), filepath.Join(dir, "one"), filepath.Join(dir, "two")
	point := func(to string) {
		t.Helper()
		must(t, os.Symlink(to, path+".tmp"))
		must(t, os.Rename(path+".tmp", path))
	}
	appendTo(t, one, numbered(0, 2))
	appendTo(t, two, numbered(2, 4))
	point(one)
	f := followIdle(t, path, AtBeginning(), 5*time.Second)
	f.exactly(2)
	point(two)
	f.exactly(4)
	appendTo(t, one, numbered(4, 5)) // the writer still has it open
	f.exactly(5)
	appendTo(t, two, numbered(5, 6))
	f.exactly(6)
}
