//go:build !e2e

package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var backlog = flag.Int("backlog", 120_000, "lines that a watcher finds when it comes back (10000000 for the real thing)")

const (
	backlogSpan = 3 * time.Hour
	backlogNews = 6 * time.Minute // younger lines are all well, but for the last ones
	backlogKept = 50_000
)

// writeBacklog appends n lines of the last hours: an outage every two minutes and at
// every thousandth line, none of which lasts, and at the end one that does.
func (b *watchBench) writeBacklog(n int) {
	b.t.Helper()
	out := bufio.NewWriterSize(b.log, 1<<20)
	now := time.Now()
	for i := range n {
		at := now.Add(-backlogSpan * time.Duration(n-1-i) / time.Duration(n))
		end := fmt.Sprintf(`"status":"200","upstream_status":"200","upstream_addr":"10.0.0.2:3000","request_time":"0.0%02d","upstream_response_time":"0.004","pool":"blue"`, i%90)
		if old := now.Sub(at) > backlogNews; i >= n-20 || old && i%1000 < 20 {
			end = `"status":"502","upstream_status":"502","upstream_addr":"blue","request_time":"0.000","upstream_response_time":"0.000","pool":""`
		}
		fmt.Fprintf(out, `{"time_local":"","msec":"%.3f","remote_addr":"10.1.%d.%d","request":"GET /item/%d HTTP/1.1",%s,"release":"v1","active":"blue","request_id":"%016x","bytes_sent":"%d"}`+"\n",
			float64(at.UnixMilli())/1000, i%256, i%251, i, end, i*7919, 100+i%5000)
	}
	if err := out.Flush(); err != nil {
		b.t.Fatal(err)
	}
}

// TestWatch_ComesBackToABacklog: a watcher that was away for hours passes over what is
// no news, says how much that was, and tells once what is wrong now.
func TestWatch_ComesBackToABacklog(t *testing.T) {
	b := newWatchBench(t)
	cmd := b.start()
	b.write(answered, 300)
	b.until(20*time.Second, "the log is read", func() bool { return b.atEnd() })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	b.writeBacklog(*backlog)
	begin := time.Now()
	cmd = b.start()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	b.until(time.Minute, "the watcher is in the present", b.atEnd)
	took := time.Since(begin)
	b.until(20*time.Second, "the outage of the present is told", func() bool { return len(b.messages()) > 0 })
	told := time.Since(begin)
	time.Sleep(3 * time.Second) // whatever else would be said comes by now
	info, err := b.log.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	// The clock would measure what else the machine does.
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("%d lines, %d MiB: in the present after %v, told after %v, %v CPU in all",
		*backlog, info.Size()>>20, took.Round(time.Millisecond), told.Round(time.Millisecond), used.Round(time.Millisecond))
	if limit := 5*time.Second + time.Duration(*backlog)*time.Microsecond/2; used > limit {
		t.Errorf("it used %v of a processor, want at most %v", used, limit)
	}
	if got := b.messages(); len(got) != 1 || !strings.HasPrefix(got[0].id, "all_down-") {
		t.Errorf("told %+v, want the one outage of the present", got)
	}
	if want := fmt.Sprintf("%d lines are passed over", max(0, *backlog-backlogKept)); !strings.Contains(b.out.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, tailOf(b.out.String()))
	}
}

var offsets = regexp.MustCompile(`"offset":([0-9]+)`)

// atEnd reports whether the watcher has saved the end of the log as its position.
func (b *watchBench) atEnd() bool {
	info, err := os.Stat(b.log.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	m := offsets.FindStringSubmatch(b.file("watch.json"))
	return m != nil && m[1] == fmt.Sprint(info.Size())
}
