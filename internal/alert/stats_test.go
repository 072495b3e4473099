package alert

import (
	"math"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	s := NewStats()
	for i := range 1000 {
		r := rec(blue, 200)
		r.Time = start().Add(time.Duration(i) * 10 * time.Millisecond)
		r.Duration = time.Duration(i+1) * time.Millisecond
		if i%10 == 0 {
			r.Status = 500
		}
		s.Add(&r)
	}
	saved := rec(blue, 502, 200)
	saved.Time = start().Add(5 * time.Second)
	s.Add(&saved)
	o := s.Snapshot(start().Add(10*time.Second), 30*time.Second)
	b := o.Pools[blue]
	if b.N != 1000 || b.Rate != 100 || b.ErrorRate != 10 || b.Classes[5] != 10 || b.Classes[2] != 90 {
		t.Errorf("N %d, rate %v, errors %v %%, classes %v", b.N, b.Rate, b.ErrorRate, b.Classes)
	}
	for want, got := range map[time.Duration]time.Duration{500: b.P50, 950: b.P95, 990: b.P99} {
		if off := math.Abs(float64(got)/float64(want*time.Millisecond) - 1); off > 0.035 {
			t.Errorf("quantile %v, want %v ms", got, int(want))
		}
	}
	if b.Max != time.Second || o.Saved != 1 || o.SavedTotal != 1 || o.Pools[green].N != 1 {
		t.Errorf("max %v, saved %d, green %d", b.Max, o.Saved, o.Pools[green].N)
	}
	if n := len(b.Series); n != 30 || !b.Series[0].Gap || b.Series[28].Gap || b.Series[28].Requests != 100 {
		t.Errorf("series of %d: %+v", n, b.Series[28])
	}
}

// Whole minutes are merged by another way than the seconds at the edges.
func TestStatsMinutes(t *testing.T) {
	s := NewStats()
	for i := range 4000 {
		r := rec(green, 200)
		r.Time, r.Duration = start().Add(time.Duration(i)*time.Second), 10*time.Millisecond
		if i%20 < 2 {
			r.Duration = time.Second
		}
		s.Add(&r)
	}
	for _, span := range []time.Duration{40 * time.Second, 200 * time.Second, time.Hour} {
		g := s.Snapshot(start().Add(3999*time.Second), span).Pools[green]
		if g.N != int(span/time.Second) || g.P50 > 11*time.Millisecond || g.P95 < 960*time.Millisecond {
			t.Errorf("%v: N %d, P50 %v, P95 %v", span, g.N, g.P50, g.P95)
		}
		if m := s.latencies(s.first+3999-int64(span/time.Second)+1, s.first+3999); m[green].n != g.N {
			t.Errorf("%v: merged %d of %d", span, m[green].n, g.N)
		}
	}
}

func TestStatsForgets(t *testing.T) {
	s := NewStats()
	for _, at := range []time.Duration{0, time.Hour, 2 * time.Hour, 30 * time.Minute} {
		r := rec(green, 200)
		r.Time, r.Duration = start().Add(at), time.Millisecond
		s.Add(&r)
		if o := s.Snapshot(r.Time, 10*time.Second); o.Pools[green].N != 1 {
			t.Errorf("at %v: %d requests", at, o.Pools[green].N)
		}
	}
}

func TestHistogramBins(t *testing.T) {
	for us := time.Duration(0); us < 1<<topBits; us += us/97 + 1 {
		d := us * time.Microsecond
		if got := valueOf(binOf(d)); math.Abs(float64(got-d)) > 0.032*float64(d) {
			t.Fatalf("%v is shown as %v", d, got)
		}
	}
	if bin := binOf(time.Hour); bin != binCount-1 {
		t.Errorf("an hour is in bin %d of %d", bin, binCount)
	}
}

func BenchmarkStatsAdd(b *testing.B) {
	s, r, at := NewStats(), rec(blue, 200), start()
	r.Duration = 3 * time.Millisecond
	for b.Loop() {
		at = at.Add(time.Millisecond)
		r.Time = at
		s.Add(&r)
	}
}

func BenchmarkSnapshotHour(b *testing.B) {
	s, now := NewStats(), start()
	for i := range 360_000 {
		now = now.Add(10 * time.Millisecond)
		r := rec(blue, 200)
		if i%2 == 0 {
			r = rec(green, 200)
		}
		r.Time, r.Duration = now, time.Duration(1+i*7919%50_000)*time.Microsecond
		s.Add(&r)
	}
	for b.Loop() {
		s.Snapshot(now, time.Hour)
	}
}

func BenchmarkSnapshotFiveMinutes(b *testing.B) {
	s, now := NewStats(), start()
	for i := range 30_000 {
		now = now.Add(10 * time.Millisecond)
		r := rec(blue, 200)
		r.Time, r.Duration = now, time.Duration(1+i*7919%50_000)*time.Microsecond
		s.Add(&r)
	}
	for b.Loop() {
		s.Snapshot(now, 5*time.Minute)
	}
}
