package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

func TestRun_ASlowDiskDoesNotHoldUpReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		b := start(t, t.TempDir(), func(c *Config) {
			c.writeFile = func(path string, data []byte) error {
				if slow.Load() {
					time.Sleep(10 * time.Second)
				}
				return slack.WriteFileAtomic(path, data)
			}
		})
		synctest.Wait()
		slow.Store(true)
		begin := time.Now()
		for i := range 100 {
			b.feed(record(500 - 300*(i%2)))
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("a hundred transitions held up reading for %v", took)
		}
		time.Sleep(time.Minute)
		// The first is written and told, what came meanwhile is one write more.
		if got := b.recv.ids(); got != "error_rate-1 error_rate-100" {
			t.Errorf("sent %s", got)
		}
	})
}

func TestRun_NothingIsSentBeforeItsPositionIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var b *bench
		b = start(t, dir, func(c *Config) {
			c.writeFile = func(path string, data []byte) error {
				if strings.Contains(string(data), `"outbox"`) && b.recv.ids() != "" {
					t.Errorf("%s was sent before the state was written", b.recv.ids())
				}
				return slack.WriteFileAtomic(path, data)
			}
		})
		b.feed(record(200), record(500))
		time.Sleep(100 * time.Millisecond)
		st, err := LoadState(dir)
		if err != nil || string(st.Cursor) != `{"pos":2}` || len(st.Outbox) != 1 || b.recv.ids() != "error_rate-1" {
			t.Errorf("cursor %s, outbox %v, sent %q, %v", st.Cursor, st.Outbox, b.recv.ids(), err)
		}
		time.Sleep(3 * time.Second)
		if st, err = LoadState(dir); err != nil || len(st.Outbox) != 0 {
			t.Errorf("the outbox still holds %v, %v", st.Outbox, err)
		}
	})
}

func TestRun_OutboxOfADeadProcessIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ev := alert.Event{ID: "all_down-7", Type: alert.AllDown, Status: alert.Firing, Time: time.Now()}
		told := alert.Event{ID: "switch-6", Type: alert.Switch, Status: alert.Info, Time: time.Now()}
		data, err := json.Marshal(State{Version: stateVersion, Outbox: []alert.Event{told, ev}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, StateFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		queue := `{"version":1,"done":["switch-6@` + told.Time.UTC().Format("20060102T150405.000000000") + `"]}`
		if err := os.WriteFile(filepath.Join(dir, "queue-slack.json"), []byte(queue), 0o600); err != nil {
			t.Fatal(err)
		}
		b := start(t, dir, nil)
		time.Sleep(5 * time.Second)
		if got := b.recv.ids(); got != "all_down-7" {
			t.Errorf("sent %q, want what was not told yet", got)
		}
	})
}

func TestRun_DiskThatRefusesLosesNoAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), func(c *Config) {
			c.writeFile = func(string, []byte) error { return errors.New("no space left on device") }
		})
		b.feed(record(500))
		time.Sleep(2 * time.Second)
		b.feed(record(200))
		time.Sleep(2 * time.Second)
		if got := b.recv.ids(); got != "error_rate-1 error_rate-2" {
			t.Errorf("sent %q", got)
		}
		if !strings.Contains(b.out.String(), "state is not saved, a restart would lose it: no space left on device") {
			t.Errorf("said %s", b.out.String())
		}
	})
}

// TestRun_StartsOnADiskThatTakesNoFile: neither a full nor a read-only disk is a reason not
// to watch. Anything else that is wrong with the directory is told.
func TestRun_StartsOnADiskThatTakesNoFile(t *testing.T) {
	for cause, starts := range map[syscall.Errno]bool{syscall.ENOSPC: true, syscall.EROFS: true, syscall.EACCES: false} {
		synctest.Test(t, func(t *testing.T) {
			refuse := &os.PathError{Op: "open", Path: "watch.lock", Err: cause}
			b := start(t, t.TempDir(), func(c *Config) {
				c.lockDir = func(string) (func(), error) { return nil, fmt.Errorf("open watcher lock: %w", refuse) }
				c.writeFile = func(string, []byte) error { return refuse }
			})
			synctest.Wait()
			if !starts {
				if err := b.stop(); !errors.Is(err, cause) {
					t.Errorf("%v: %v", cause, err)
				}
				return
			}
			b.feed(record(500))
			time.Sleep(2 * time.Second)
			if b.recv.ids() != "error_rate-1" || !strings.Contains(b.out.String(), "a restart will lose it: open watcher lock") {
				t.Errorf("%v: sent %q, said %s", cause, b.recv.ids(), b.out.String())
			}
		})
	}
}

// BenchmarkSave measures what a transition costs before it may be sent, on the
// file system of the temporary directory.
func BenchmarkSave(b *testing.B) {
	path := filepath.Join(b.TempDir(), StateFile)
	data := make([]byte, 8<<10)
	for b.Loop() {
		if err := slack.WriteFileAtomic(path, data); err != nil {
			b.Fatal(err)
		}
	}
}
