package alert

import (
	"fmt"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// switchRun is how many lines in a row must name the new active pool: after a
// reload the old workers still write a few lines with the old name.
const switchRun = 3

// moveState watches the pool the proxy was told to use.
type moveState struct {
	Next bluegreen.Pool `json:"next,omitempty"` // pool that may become the active one
	Run  int            `json:"run,omitempty"`
}

func (d *Detector) observeActive(active bluegreen.Pool) {
	s := &d.st
	switch {
	case active == bluegreen.NoPool:
		return
	case s.Active == bluegreen.NoPool:
		s.Active = active
		if p := d.post(Switch); p.Announced == "" {
			p.Announced = "to:" + active.String()
		}
		return
	case active == s.Active:
		s.Move = moveState{}
		return
	case active != s.Move.Next:
		s.Move = moveState{Next: active}
	}
	if s.Move.Run++; s.Move.Run < switchRun {
		return
	}
	d.switchTo(active, "the proxy was told to use "+active.String())
}

func (d *Detector) switchTo(active bluegreen.Pool, cause string) {
	s := &d.st
	from := s.Active
	s.Active, s.Move = active, moveState{}
	e := d.event(Switch, Info, Note)
	e.From, e.To, e.Pool, e.Release = from, active, active, d.releases[active]
	e.Summary = "traffic switched from " + from.String() + " to " + active.String()
	e.Cause = cause
	e.Command = "bgctl status"
	d.announce(e)
	d.switched(active)
}

// guessSwitch takes a lasting change of the serving pool in a log that does not
// name the active one for a planned switch: nothing failed.
func (d *Detector) guessSwitch(from bluegreen.Pool) {
	to := from.Other()
	d.st.Assumed = to
	d.changed()
	d.switchTo(to, fmt.Sprintf("%d requests in a row were answered by %s and %s was not seen to fail",
		d.st.Fail.Run, to, from))
	d.st.Fail = failState{FailedAt: d.st.Fail.FailedAt, Active: to, Seen: true, Why: noFailure}
}

// learnLines is how many requests tell the active pool of a log that names none
// when nobody configured it.
const learnLines = 20

// assume returns the active pool of a line that does not name it: the configured
// one, or else the one that nginx tried first for most of the first requests.
func (d *Detector) assume(rec *logstream.Record) bluegreen.Pool {
	s := &d.st
	if s.Assumed != bluegreen.NoPool || s.Balance.On || len(rec.Attempts) == 0 {
		return s.Assumed
	}
	first := rec.Attempts[0].Pool
	if len(rec.Attempts) == 1 {
		first = rec.Served
	}
	if first == bluegreen.NoPool {
		return bluegreen.NoPool
	}
	s.Tried[first]++
	most := bluegreen.Blue
	if s.Tried[bluegreen.Green] > s.Tried[bluegreen.Blue] {
		most = bluegreen.Green
	}
	sum := s.Tried[bluegreen.Blue] + s.Tried[bluegreen.Green]
	if sum < learnLines {
		return bluegreen.NoPool
	}
	share := s.Tried[most] * recentLines / sum
	s.Tried = [3]int{}
	if share < recoverShare {
		return bluegreen.NoPool // the next 20 may tell
	}
	s.Assumed = most
	d.notice("the log does not name the active pool: taking "+most.String()+", which the first requests went to",
		`no "active" in the log lines and no ACTIVE_POOL`)
	return most
}

// balanceLines is how many requests without a failure tell whether the pools take
// turns. A change of the serving pool takes up to about 30 mixed lines.
const balanceLines = 60

// balanceState watches the first requests for a proxy that spreads them.
type balanceState struct {
	Done   bool           `json:"done,omitempty"`
	On     bool           `json:"on,omitempty"` // both pools take turns
	Lines  [3]int         `json:"lines"`        // by pool
	Flips  int            `json:"flips,omitempty"`
	Failed int            `json:"failed,omitempty"`
	Last   bluegreen.Pool `json:"last,omitempty"`
}

// observeBalance says once that a change of the serving pool means nothing here.
func (d *Detector) observeBalance(v *view) {
	b := &d.st.Balance
	if v.served == bluegreen.NoPool {
		return
	}
	if len(v.rec.Attempts) > 1 || v.rec.Status >= 500 {
		b.Failed++
		return
	}
	if b.Last != bluegreen.NoPool && v.served != b.Last {
		b.Flips++
	}
	b.Last = v.served
	b.Lines[v.served]++
	if b.Lines[bluegreen.Blue]+b.Lines[bluegreen.Green] < balanceLines {
		return
	}
	b.Done = true
	least := min(b.Lines[bluegreen.Blue], b.Lines[bluegreen.Green])
	if b.Flips < balanceLines/3 || least < balanceLines*3/10 || b.Failed > balanceLines/20 {
		return
	}
	b.On = true
	if f := &d.st.Fail; f.Firing {
		e := d.failEvent(Resolved, Good)
		e.Summary = "no failover: the pools take turns"
		d.closeFailover()
		d.announce(e)
	}
	d.notice("both pools answer in turn (active/active upstream): failover detection is off",
		fmt.Sprintf("%d changes of the serving pool in %d requests without a failure", b.Flips, balanceLines))
}
