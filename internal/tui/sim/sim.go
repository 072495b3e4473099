// Package sim is a two-pool deployment that exists only in memory: traffic,
// faults, failovers, alerts and switches for `bgctl dashboard --demo` and for the
// tests of the screen.
//
// It implements what [tui.Deps] asks for, needs no Docker and is deterministic:
// the same seed and the same clock give the same requests.
package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// Options shape the simulation.
type Options struct {
	Now    func() time.Time
	Seed   uint64
	Rate   float64       // requests a second; 0 means none
	Alert  alert.Config  // the rules of the simulated watcher
	Warm   time.Duration // traffic before the first look
	Pace   time.Duration // how long one step of a plan takes
	Spells Spells
}

// Spells says whether the active pool has a bad spell now and then.
type Spells string

// The kinds of spells.
const (
	NoSpells Spells = ""
	BadNow   Spells = "now"  // errors from the start
	Sometime Spells = "demo" // twelve seconds in each ninety
	holder          = "ana"
)

// maxRows is how many log rows wait for a screen that is busy, at least.
const maxRows = 2000

// Stack is the simulated deployment. It is safe for concurrent use.
type Stack struct {
	opts Options

	mu      sync.Mutex
	rng     *rand.Rand
	born    time.Time
	at      time.Time // simulated up to here
	carry   float64   // part of a request left over
	dep     bluegreen.Deployment
	avoided map[bluegreen.Pool]time.Time // nginx avoids the pool until then
	pools   [2]*history
	watched bool // the warm-up traffic has run
	warming bool // it runs

	phase   *tui.Phase
	muted   alert.Maintenance
	outputs map[string]*output

	detector *alert.Detector
	sending  []alert.Delivery
	next     tui.FeedSnapshot // what the next Take gives
}

// New starts a simulation. Its warm-up traffic runs with the first Take, so that
// a screen is there before it.
func New(opts Options) *Stack {
	now := opts.Now()
	s := &Stack{
		opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 7)), //nolint:gosec // it has to be repeatable
		born: now.Add(-opts.Warm), at: now.Add(-opts.Warm),
		avoided:  map[bluegreen.Pool]time.Time{},
		outputs:  map[string]*output{},
		detector: alert.NewDetector(opts.Alert),
		pools:    [2]*history{newHistory(now.Add(-opts.Warm)), newHistory(now.Add(-opts.Warm))},
	}
	s.dep = deployment(now)
	return s
}

// warm runs the traffic from before the first look. Nobody waits for its rows.
func (s *Stack) warm(now time.Time) {
	if s.watched {
		return
	}
	s.watched, s.warming = true, true
	s.advance(now)
	s.warming = false
	s.next.Rows = s.next.Rows[max(0, len(s.next.Rows)-warmRows):]
	s.next.DroppedRows = 0
}

// warmRows is how many rows of the past are shown when the screen opens.
const warmRows = 200

// deployment is the healthy stack, blue active.
func deployment(now time.Time) bluegreen.Deployment {
	container := func(name, service string, role bluegreen.Role, image string, since time.Duration) bluegreen.Container {
		id := fmt.Sprintf("%x%058x", service, len(name))[:64]
		return bluegreen.Container{
			ID: id, Name: name, Service: service, Role: role, Image: image, State: "running", Health: "healthy", HealthLog: "GET /healthz: 200 in 2 ms",
			StartedAt: now.Add(-since), CPU: 1, Memory: 18 << 20, Addrs: []string{"10.0.3.11"},
		}
	}
	blue := container("shop-app_blue-1", "app_blue", bluegreen.RoleBlue, "shop:1.4.2", 76*time.Hour)
	green := container("shop-app_green-1", "app_green", bluegreen.RoleGreen, "shop:1.5.0", 12*time.Minute)
	blue.Release, green.Release, blue.Memory, green.Memory = "v1.4.2", "v1.5.0", 84<<20, 61<<20
	green.Addrs = []string{"10.0.3.12"}
	proxy := container("shop-nginx-1", "nginx", bluegreen.RoleProxy, "nginx:1.30-alpine", 76*time.Hour)
	watch := container("shop-alert_watcher-1", "alert_watcher", bluegreen.RoleWatcher, "bgctl", 76*time.Hour)
	return bluegreen.Deployment{
		Project: "shop", At: now, Proxy: &proxy, Watcher: &watch,
		Router: &bluegreen.RouterStatus{Active: bluegreen.Blue, Seed: bluegreen.Blue, Connections: 32, Version: "1.30.0"},
		Blue:   bluegreen.PoolState{Pool: bluegreen.Blue, Containers: []bluegreen.Container{blue}},
		Green:  bluegreen.PoolState{Pool: bluegreen.Green, Containers: []bluegreen.Container{green}},
	}
}

// Deps wires the simulation into a dashboard. Saving is left to the caller.
func (s *Stack) Deps() tui.Deps {
	return tui.Deps{
		Observe: s.Observe, Execute: s.Execute, Feed: s, Now: s.opts.Now, Logs: s.tail,
		PlanRollback: planRollback, PlanDeploy: planDeploy, PlanRestart: planRestart, PlanPromote: planPromote,
		Phase: s.Phase, Maintain: s.maintain, Acknowledge: s.acknowledge,
	}
}

// Observe looks at the simulated deployment.
func (s *Stack) Observe(context.Context) (bluegreen.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dep
	d.At = s.opts.Now()
	router := *s.dep.Router
	d.Router = &router
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		ps.Containers = slices.Clone(ps.Containers)
		for i := range ps.Containers {
			if ps.Containers[i].State == "running" {
				ps.Containers[i].CPU = 1 + s.pools[place(pool)].rate()/10
			} else {
				ps.Containers[i].CPU, ps.Containers[i].Memory = 0, 0
			}
		}
		if ps.Fault != nil {
			f := *ps.Fault
			ps.Fault = &f
		}
	}
	return d, nil
}

// Take gives what happened since the last Take.
func (s *Stack) Take() tui.FeedSnapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warm(s.opts.Now())
	s.advance(s.opts.Now())
	out := s.next
	s.next = tui.FeedSnapshot{Counts: out.Counts}
	out.End = s.at.Truncate(time.Second).Add(-time.Second)
	out.Lag = 120 * time.Millisecond
	out.Sources = []tui.SourceState{{Name: "log", OK: true, Since: s.born}}
	out.Maintenance = s.muted
	out.Window, out.Cells = s.detector.Window(), cells(s.detector.Cells())
	for i, h := range s.pools {
		out.Pools[i] = h.stats()
	}
	return out
}

// place is a pool's index.
func place(p bluegreen.Pool) int {
	if p == bluegreen.Green {
		return 1
	}
	return 0
}

// advance simulates up to now, a tenth of a second at a time.
func (s *Stack) advance(now time.Time) {
	const slice = 100 * time.Millisecond
	for !s.at.Add(slice).After(now) {
		s.carry += s.opts.Rate * (1 + 0.15*wave(s.at.Sub(s.born))) * slice.Seconds()
		n := int(s.carry)
		s.carry -= float64(n)
		for i := range n {
			s.request(s.at.Add(slice * time.Duration(i) / time.Duration(n)))
		}
		s.at = s.at.Add(slice)
		for _, h := range s.pools {
			h.until(s.at)
		}
		s.judge(s.detector.Tick(s.at))
		s.settle(s.at)
	}
}

// log hands a record to the next Take.
func (s *Stack) log(r *logstream.Record) {
	s.next.Counts.Lines++
	s.next.Counts.Parsed++
	switch n := len(s.next.Rows); {
	case s.warming && n >= 2*warmRows: // nobody has seen them yet
		s.next.Rows = s.next.Rows[:copy(s.next.Rows, s.next.Rows[n-warmRows:])]
	case n >= 2*maxRows:
		s.next.DroppedRows += maxRows
		s.next.Rows = slices.Clone(s.next.Rows[maxRows:])
	}
	s.next.Rows = append(s.next.Rows, *r)
}
