//go:build soak && !e2e

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the watcher may use.
const (
	soakIdle  = 0.5 // percent of a core without traffic
	soakBusy  = 5.0 // percent of a core at 5,000 requests a second
	soakRSS   = 40  // MiB after soakLines
	soakRate  = 5000
	soakLines = 10_000_000
)

// TestSoakWatch runs the real watcher on a growing log and reports what it uses:
// idle, at 5,000 requests a second, and after ten million lines written as fast as
// it reads them. BGCTL_BIN names the binary; SOAK_LINES makes it shorter.
func TestSoakWatch(t *testing.T) {
	lines := soakLines
	if v := os.Getenv("SOAK_LINES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		lines = n
	}
	b := newWatchBench(t)
	addr := freeAddress(t)
	cmd := b.soakCommand(addr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.write(answered, 300)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	time.Sleep(3 * time.Second)

	idle := cpuShare(t, cmd.Process.Pid, func() { time.Sleep(15 * time.Second) })
	busy := cpuShare(t, cmd.Process.Pid, func() { b.pour(soakRate, 15*time.Second) })
	rss := memory(t, cmd.Process.Pid, "VmRSS")
	begin, used := time.Now(), cpuTime(t, cmd.Process.Pid)
	b.flood(t, addr, lines)
	took := time.Since(begin)
	perLine := (cpuTime(t, cmd.Process.Pid) - used) / time.Duration(lines)
	after, peak := memory(t, cmd.Process.Pid, "VmRSS"), memory(t, cmd.Process.Pid, "VmHWM")
	t.Logf("idle %.2f %% of a core; %d requests/s %.2f %%, %d MiB", idle, soakRate, busy, rss)
	t.Logf("%d lines in %v, %.0f lines/s, %v CPU a line; then %d MiB resident, peak %d MiB",
		lines, took.Round(time.Millisecond), float64(lines)/took.Seconds(), perLine, after, peak)
	if idle > soakIdle || busy > soakBusy || after > soakRSS {
		t.Errorf("want at most %.1f %%, %.1f %%, %d MiB", soakIdle, soakBusy, soakRSS)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, tailOf(b.out.String()))
	}
}

// soakCommand is the watcher's command line, by the real binary where there is one.
func (b *watchBench) soakCommand(addr string) *exec.Cmd {
	cmd := b.command("watch", "--log", b.log.Name(), "--state", b.state, "--listen", addr)
	if bin := os.Getenv("BGCTL_BIN"); bin != "" {
		cmd.Path = bin
	}
	return cmd
}

// pour writes rate lines a second, in ten pieces.
func (b *watchBench) pour(rate int, lasts time.Duration) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end); <-tick.C {
		b.write(answered, rate/10)
	}
}

// flood writes n lines as fast as they are read, into files that are rotated.
func (b *watchBench) flood(t *testing.T, addr string, n int) {
	t.Helper()
	const chunk, ahead, fileSize = 20_000, 400_000, 150 << 20
	start := parsed(t, addr)
	size := int64(0)
	for written := 0; written < n; written += chunk {
		for written-int(parsed(t, addr)-start) > ahead {
			time.Sleep(20 * time.Millisecond)
		}
		size += b.writeFast(chunk)
		if size > fileSize {
			size = 0
			b.rotate(t)
		}
	}
	b.until(10*time.Minute, "all lines are read", func() bool { return int(parsed(t, addr)-start) >= n })
}

// writeFast appends n lines that differ in what matters.
func (b *watchBench) writeFast(n int) int64 {
	var text bytes.Buffer
	at := float64(time.Now().UnixMilli()) / 1000
	for i := range n {
		status := "200"
		if i%1000 == 0 {
			status = "502"
		}
		fmt.Fprintf(&text, `{"time_local":"","msec":"%.3f","remote_addr":"10.1.%d.%d","request":"GET /item/%d?page=%d HTTP/1.1","status":"%s",`+
			`"upstream_status":"%s","upstream_addr":"10.0.0.2:3000","request_time":"0.%03d","upstream_response_time":"0.%03d","pool":"blue",`+
			`"release":"v1","active":"blue","request_id":"%032x","bytes_sent":"%d"}`+"\n",
			at, i%256, i%251, i, i%97, status, status, i%900, i%900, i*7919, 100+i%5000)
	}
	written, err := b.log.Write(text.Bytes())
	if err != nil {
		b.t.Error(err)
	}
	return int64(written)
}

// rotate replaces the log as the proxy's rotator does, and keeps two old ones.
func (b *watchBench) rotate(t *testing.T) {
	t.Helper()
	path := b.log.Name()
	_ = os.Rename(path+".1", path+".2")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	_ = b.log.Close()
	var err error
	if b.log, err = os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
}

var parsedLines = regexp.MustCompile(`bgctl_log_lines_total\{[^}]*result="parsed"\} ([0-9.e+]+)`)

// parsed returns how many lines the watcher has read.
func parsed(t *testing.T, addr string) float64 {
	t.Helper()
	m := parsedLines.FindStringSubmatch(fetchText(t, "http://"+addr+"/metrics"))
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cpuShare returns the percentage of one core that a process uses while f runs.
func cpuShare(t *testing.T, pid int, f func()) float64 {
	t.Helper()
	used, begin := cpuTime(t, pid), time.Now()
	f()
	return 100 * float64(cpuTime(t, pid)-used) / float64(time.Since(begin))
}

// cpuTime returns what the threads of a process have used, to the nanosecond.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	total := time.Duration(0)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(filepath.Clean(task))
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}

// memory returns a figure of /proc/PID/status in MiB.
func memory(t *testing.T, pid int, name string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
