package backtest

import "time"

// Incident is a stretch of the log in which users saw more errors than a healthy
// log has. It does not depend on any window or threshold, so that settings can be
// judged by it: failed requests are summed up with one point each, every other
// request takes a little away, and when the sum reaches 8 it is an incident (the
// cumulative sum test of Page). It began with the failed request after which the
// sum never was zero again and ended with the last one before it is. Requests that
// a retry answered are no errors: nobody saw them.
type Incident struct {
	Start    time.Time `json:"start"` // time of the first failed request
	End      time.Time `json:"end"`   // time of the last failed request
	Failed   int       `json:"failed"`
	Requests int       `json:"requests"`
}

const (
	// Points are counted in ten-thousandths.
	point       = 10_000
	sumIncident = 8 * point
	sumMost     = 16 * point // so that a long outage ends soon after its end
	// Failures further apart than this have nothing to do with each other.
	incidentGap = 5 * time.Minute
	// DefaultIncidentRate is the percentage of failed requests above which they
	// pile up to an incident sooner or later.
	DefaultIncidentRate = 2.5
)

// outcome is what a user got.
type outcome uint8

const (
	notCounted outcome = iota // not a request that a pool had to answer
	fine
	failed
)

// incidents finds them, one request after the other.
type incidents struct {
	list  []Incident
	allow int64 // points a good request takes away
	sum   int64
	now   Incident
	found bool // the sum of now has reached sumIncident
}

func newIncidents(g *Grid) incidents {
	rate := DefaultIncidentRate
	if g != nil && g.IncidentRate > 0 {
		rate = g.IncidentRate
	}
	return incidents{allow: int64(rate * point / 100)}
}

// add takes a request that counts.
func (n *incidents) add(at time.Time, how outcome) {
	if how != failed {
		if n.sum > 0 {
			n.now.Requests++
			if n.sum -= n.allow; n.sum <= 0 {
				n.end()
			}
		}
		return
	}
	if n.sum > 0 && at.Sub(n.now.End) > incidentGap {
		n.end()
	}
	if n.sum <= 0 {
		n.now = Incident{Start: at}
	}
	n.sum = min(n.sum+point-n.allow, sumMost)
	n.now.End = at
	n.now.Failed++
	n.now.Requests++
	n.found = n.found || n.sum >= sumIncident
}

// end closes the stretch.
func (n *incidents) end() {
	if n.found {
		n.list = append(n.list, n.now)
	}
	n.sum, n.found = 0, false
}
