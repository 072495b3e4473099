//go:build e2e

package deployment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bgctl/internal/logstream"
)

// TestE2E_OutputWithBytesThatAreNoUTF8 is D11: json-file makes U+FFFD of them, local keeps
// them, and the records do not differ.
func TestE2E_OutputWithBytesThatAreNoUTF8(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"json-file", "local"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			line := `printf '{"msec":"1","request":"GET /\377\300z HTTP/1.1","status":"200"}\n'; `
			b.run(line+`printf '\377\376 no request\n'; `+script(1, 1, 9, "0")+"; sleep 60", "--log-driver", driver)
			c := b.follow(logstream.AtBeginning())
			c.until(2, 20*time.Second)
			b.docker("restart", "-t", "0", b.name)
			c.until(4, 20*time.Second)
			c.quit()
			if want := []string{"/\uFFFD\uFFFDz", "/1", "/\uFFFD\uFFFDz", "/1"}; !slices.Equal(c.got, want) {
				t.Errorf("got %q, want %q", c.got, want)
			}
			if c.counts.Bad != 2 || c.counts.Gaps != 0 {
				t.Errorf("counts %+v", c.counts)
			}
		})
	}
}

// fullDisk writes 140 lines to a log on a disk of 16 KiB half of which something else
// takes. The first line that does not fit is torn; then there is room again.
const fullDisk = `cd /var/log/bgctl; head -c 8192 /dev/zero >filler; i=1; while [ $i -le 140 ]; do
  printf '{"msec":"1761837814.123","request":"GET /%d HTTP/1.1","status":"200"}\n' $i >>access.log || { echo $i >>/torn; rm -f filler; }
  i=$((i+1)); done`

// TestE2E_AccessLogOnAFullDisk is F12 on a real tmpfs: the line that was torn is lost, the
// one glued to it is not.
func TestE2E_AccessLogOnAFullDisk(t *testing.T) {
	t.Parallel()
	b, s := proxyBox(t, fullDisk, agentBinary(t), "--tmpfs", "/var/log/bgctl:size=16k")
	c := followStack(t, s)
	c.until(139, 20*time.Second)
	c.quit()
	torn := "/" + b.docker("exec", b.name, "cat", "/torn")
	if strings.Contains(torn, "\n") || slices.Contains(c.got, torn) {
		t.Fatalf("the disk was full at %q", torn)
	}
	if lost, twice := missing(140, c.got); lost != 1 || twice != 0 {
		t.Errorf("%d lost, %d twice, want the torn one lost", lost, twice)
	}
	if c.counts.Torn != 1 || c.counts.Bad != 0 {
		t.Errorf("counts %+v", c.counts)
	}
}

// TestE2E_WatcherOnADiskThatTakesNothing is F12's other half: alerts go out although the
// state directory is read-only, or full before the watcher starts.
func TestE2E_WatcherOnADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	down := `'{"msec":"'$(date +%s)'.1","request":"GET /x HTTP/1.1","status":"502","upstream_status":"502","upstream_addr":"blue","pool":"","active":"blue"}'`
	for name, state := range map[string]string{"read-only": "/srv/state", "full": "/full"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.run(`head -c 16384 /dev/zero >/full/filler; : >/log/access.log
				/bgctl watch --log /log/access.log --state `+state+` --listen 127.0.0.1:9115 & sleep 2
				for i in 1 2 3 4 5; do echo `+down+` >>/log/access.log; done; wait`,
				"--read-only", "--tmpfs", "/log", "--tmpfs", "/full:size=16k", "-v", agentBinary(t)+":/bgctl:ro")
			said := ""
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				if said = b.docker("logs", b.name); strings.Contains(said, `"type":"all_down"`) {
					break
				}
			}
			if !strings.Contains(said, `"type":"all_down"`) || !strings.Contains(said, "state is not saved") {
				t.Errorf("it says %s", said)
			}
		})
	}
}
