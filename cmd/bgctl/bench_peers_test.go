//go:build e2e && bench

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgctl/internal/load"
)

// peers are other screens for the same stack: for containers, and for its log. Those that
// are not installed are left out.
func peers(log string) map[string][]string {
	return map[string][]string{
		"lazydocker": {"lazydocker"},
		"ctop":       {"ctop"},
		"goaccess":   {"goaccess", log, "--no-global-config", "--log-format=COMBINED"},
	}
}

// TestBenchPeers shows the dashboard beside other screens on one real stack under 1,000
// requests a second, one after the other: what each takes of a core and of the memory.
// GoAccess reads the same requests as combined lines.
func TestBenchPeers(t *testing.T) {
	shared.reset(t)
	log := filepath.Join(t.TempDir(), "combined.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := shared.start(t, load.Config{Clients: 8, Rate: 1000})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for sent := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			tr.mu.Lock()
			news := tr.all[sent:len(tr.all):len(tr.all)]
			tr.mu.Unlock()
			sent += len(news)
			for i := range news {
				r := &news[i]
				fmt.Fprintf(f, "127.0.0.1 - - [%s] \"%s %s HTTP/1.1\" %d 512 \"-\" \"load\"\n", r.End.Format("02/Jan/2006:15:04:05 -0700"), r.Method, r.Path, r.Status)
			}
		}
	}()
	time.Sleep(2 * time.Second)

	screens := peers(log)
	screens["bgctl"] = []string{bin(), "-p", shared.project, "dashboard"}
	for name, args := range screens {
		path, err := exec.LookPath(args[0])
		if err != nil {
			fmt.Printf("%-10s not installed\n", name)
			continue
		}
		x := openProgram(t, shared, 120, 36, append([]string{path}, args[1:]...)...)
		time.Sleep(3 * time.Second)
		busy := x.load(10 * time.Second)
		fmt.Printf("%-10s %5.1f %% of a core · %3d MiB\n", name, busy, x.memory())
		if strings.TrimSpace(x.text()) == "" {
			t.Errorf("%s shows nothing", name)
		}
	}
	close(stop)
	<-done
	rep := tr.stop()
	fmt.Printf("meanwhile: %s\n", rep.String())
}
