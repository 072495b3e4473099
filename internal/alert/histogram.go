package alert

import (
	"math"
	"math/bits"
	"time"
)

// The histogram has sixteen bins per power of two of microseconds, so a quantile
// is at most about 3 % off. It is smaller and merges faster than an HdrHistogram,
// of which an hour would need 7 200.
const (
	subBits  = 4
	subBins  = 1 << subBits
	topBits  = 27 // up to 134 s
	binCount = (topBits - subBits + 1) * subBins
)

// histogram holds the latencies of one second of one pool.
type histogram struct {
	bins   [binCount]uint16
	n      int
	lo, hi int // bins in use, when n > 0
}

func binOf(d time.Duration) int {
	us := int(min(max(d.Microseconds(), 0), 1<<topBits-1))
	if us < subBins {
		return us
	}
	shift := bits.Len(uint(us)) - 1 - subBits
	return (shift+1)*subBins + us>>shift - subBins
}

// valueOf returns the middle of a bin.
func valueOf(bin int) time.Duration {
	if bin < subBins {
		return time.Duration(bin) * time.Microsecond
	}
	shift := bin/subBins - 1
	low := time.Duration(bin%subBins+subBins) << shift
	return (low + (1<<shift-1)/2) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	bin := binOf(d)
	if h.bins[bin] == math.MaxUint16 {
		return
	}
	if h.n == 0 {
		h.lo, h.hi = bin, bin
	}
	h.bins[bin]++
	h.n++
	h.lo, h.hi = min(h.lo, bin), max(h.hi, bin)
}

func (h *histogram) reset() {
	if h.n > 0 {
		clear(h.bins[h.lo : h.hi+1])
	}
	h.n = 0
}

func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rest := int(math.Ceil(q * float64(h.n)))
	// Most quantiles asked for are high: the short way is from the top.
	rest = h.n - rest
	for bin := h.hi; bin >= h.lo; bin-- {
		if rest -= int(h.bins[bin]); rest < 0 {
			return valueOf(bin)
		}
	}
	return valueOf(h.lo)
}

// merger sums histograms.
type merger struct {
	bins [binCount]int
	n    int
}

func (m *merger) merge(h *histogram) {
	if h == nil || h.n == 0 {
		return
	}
	m.n += h.n
	for bin := h.lo; bin <= h.hi; bin++ {
		m.bins[bin] += int(h.bins[bin])
	}
}

func (m *merger) mergeAll(other *merger) {
	if other == nil || other.n == 0 {
		return
	}
	m.n += other.n
	for bin, n := range other.bins {
		m.bins[bin] += n
	}
}

func (m *merger) quantile(q float64) time.Duration {
	if m.n == 0 {
		return 0
	}
	rank := max(int(math.Ceil(q*float64(m.n))), 1)
	for bin, n := range m.bins {
		if rank <= n {
			return valueOf(bin)
		}
		rank -= n
	}
	return valueOf(binCount - 1)
}
