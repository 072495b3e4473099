package logstream_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bgctl/internal/logstream/logstreamtest"
)

// TestContainerSource_D11_InvalidUTF8: json-file hands out U+FFFD, local the bytes as they
// were written. Either way the record is the same, and so is what comes after a reconnect.
func TestContainerSource_D11_InvalidUTF8(t *testing.T) {
	t.Parallel()
	const want = "/\uFFFD\uFFFDz"
	for _, written := range []string{"/\xff\xc0z", want} {
		e := newFakeEngine()
		followEngine(t, e, func(t *testing.T, r *outputRun) {
			r.write(written)
			e.change(func() { e.life++ })
			wait(time.Minute)
			r.write("/b")
			r.want(t, want, "/b")
			if r.counts.Bad != 0 || r.counts.Gaps != 0 || r.counts.Repeated == 0 {
				t.Errorf("counts %+v", r.counts)
			}
		})
	}
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		e.change(func() { e.write("\xff\xfe\x00 no request \x80\n" + logstreamtest.Line("/a")) })
		wait(time.Second)
		r.want(t, "/a")
		if r.counts.Bad != 1 || !utf8.ValidString(r.counts.FirstBad) || strings.Contains(r.counts.FirstBad, "\x00") {
			t.Errorf("counts %+v", r.counts)
		}
	})
}
