package logstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// benchLines is how many lines one pass of a source's benchmark reads.
const benchLines = 100_000

// accessLog returns n lines as the proxy's nginx writes them.
func accessLog(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"time_local":"30/Oct/2025:12:30:14 +0000","msec":"%d.%03d","remote_addr":"10.0.0.%d","request":"GET /item/%d HTTP/1.1",`+
			`"status":"200","upstream_status":"200","upstream_addr":"172.18.0.3:3000","request_time":"0.004","upstream_response_time":"0.004",`+
			`"pool":"blue","release":"v1.0.0","active":"blue","request_id":"%032x","bytes_sent":"412","upstream_pool":"blue"}`+"\n",
			1761827414+i/1000, i%1000, i%250, i, i)
	}
	return b.String()
}

// errEnough ends a source that would go on for ever.
var errEnough = errors.New("enough")

// detect feeds a detector and ends after want lines.
func detect(want int) func(logstream.Batch) error {
	d := alert.NewDetector(alert.DefaultConfig())
	return func(b logstream.Batch) error {
		for i := range b.Records {
			d.Observe(&b.Records[i])
		}
		if want -= len(b.Records); want <= 0 {
			return errEnough
		}
		return nil
	}
}

// source is what the benchmarks run.
type source interface {
	Run(ctx context.Context, deliver func(logstream.Batch) error) error
}

// cpu is what this process has used: on a machine that others use too, lines per
// second of it tell more than lines per second.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func benchSource(b *testing.B, open func() source) {
	b.Helper()
	before := cpu(b)
	for b.Loop() {
		if err := open().Run(b.Context(), detect(benchLines)); !errors.Is(err, errEnough) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchLines/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(b.N)*benchLines/(cpu(b)-before).Seconds(), "lines/cpu-s")
}

// BenchmarkFileSource reads a file into a detector.
func BenchmarkFileSource(b *testing.B) {
	path := filepath.Join(b.TempDir(), "access.log")
	text := accessLog(benchLines)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	benchSource(b, func() source {
		return logstream.NewFileSource(logstream.FileConfig{Path: path, Start: logstream.AtBeginning()})
	})
}

// BenchmarkRemoteSource reads a file that is served through a connection.
func BenchmarkRemoteSource(b *testing.B) {
	path := filepath.Join(b.TempDir(), "access.log")
	text := accessLog(benchLines)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	r := &agentRig{fileRig: &fileRig{path: path}}
	benchSource(b, func() source { return r.Source(logstream.AtBeginning()) })
}
