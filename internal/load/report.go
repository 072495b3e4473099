package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report sums a run up.
type Report struct {
	Sent     int
	OK       int // answers below 400
	Failed   int // transport errors and answers of 400 or more
	Errors   map[string]int
	ByPool   map[string]int
	ByStatus map[int]int
	Elapsed  time.Duration
	Longest  time.Duration

	hist *hdrhistogram.Histogram // microseconds
}

// add counts one result.
func (r *Report) add(res *Result) {
	if r.hist == nil {
		r.hist = hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 2)
		r.Errors, r.ByPool, r.ByStatus = map[string]int{}, map[string]int{}, map[int]int{}
	}
	r.Sent++
	took := res.End.Sub(res.Start)
	r.Longest = max(r.Longest, took)
	_ = r.hist.RecordValue(max(took.Microseconds(), 1)) // an hour is enough
	if res.OK() {
		r.OK++
	} else {
		r.Failed++
		r.Errors[res.failure()]++
	}
	if res.Status > 0 {
		r.ByStatus[res.Status]++
		r.ByPool[res.Pool]++
	}
}

// failure names what went wrong.
func (r *Result) failure() string {
	if r.Err != nil {
		return fmt.Sprintf("%s: %s", r.Method, kind(r.Err))
	}
	return fmt.Sprintf("%s: status %d", r.Method, r.Status)
}

// kind groups transport errors: their texts hold ports, of which there are many.
func kind(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timed out"
	}
	return err.Error()
}

// Percentile returns the p-th percentile of the time of a request.
func (r *Report) Percentile(p float64) time.Duration {
	if r.hist == nil {
		return 0
	}
	return time.Duration(r.hist.ValueAtPercentile(p)) * time.Microsecond
}

// String is the report in one line.
func (r *Report) String() string {
	return fmt.Sprintf("%d sent, %d ok, %d failed in %s; p50 %s, p99 %s, longest %s; by pool %v; errors %v",
		r.Sent, r.OK, r.Failed, r.Elapsed.Round(time.Millisecond),
		r.Percentile(50).Round(time.Microsecond), r.Percentile(99).Round(time.Microsecond), r.Longest.Round(time.Microsecond),
		r.ByPool, r.Errors)
}

// merge adds reports up.
func merge(reports []Report) Report {
	total := Report{Errors: map[string]int{}, ByPool: map[string]int{}, ByStatus: map[int]int{}}
	total.hist = hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 2)
	for i := range reports {
		r := &reports[i]
		total.Sent, total.OK, total.Failed = total.Sent+r.Sent, total.OK+r.OK, total.Failed+r.Failed
		total.Longest = max(total.Longest, r.Longest)
		if r.hist != nil {
			total.hist.Merge(r.hist)
		}
		addAll(total.Errors, r.Errors)
		addAll(total.ByPool, r.ByPool)
		addAll(total.ByStatus, r.ByStatus)
	}
	return total
}

// addAll adds counts up.
func addAll[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}
