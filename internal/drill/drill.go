// Package drill breaks a deployment on purpose and judges how it holds: health,
// baseline traffic, a failover, an error burst, the access log, the alerts.
//
// What is planned and how measurements are judged is pure ([PlanDrill], the Judge
// functions); [Runner] does the rest over functions it is given. Whatever happens, it
// puts everything back: each fault is recorded before it acts, so that what a killed
// drill leaves behind is undone by `bgctl heal` or by the next drill.
package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// Phase is one part of a drill.
type Phase string

// The phases, in their order. Restore always runs.
const (
	Health   Phase = "health"
	Baseline Phase = "baseline"
	Failover Phase = "failover"
	Errors   Phase = "errors"
	Log      Phase = "log"
	Slack    Phase = "slack"
	Restore  Phase = "restore"
)

// Phases returns the six phases that may be asked for.
func Phases() []Phase { return []Phase{Health, Baseline, Failover, Errors, Log, Slack} }

// ParsePhase returns the phase that s names.
func ParsePhase(s string) (Phase, error) {
	for _, p := range Phases() {
		if string(p) == s {
			return p, nil
		}
	}
	return "", fmt.Errorf("unknown phase %q: use health, baseline, failover, errors, log or slack", s)
}

// Verdict is how a judgement went.
type Verdict string

// The verdicts. What could not be judged is neither passed nor failed, and says why.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	Skip Verdict = "skipped"
)

// Judgement is one promise, its bar, and what was measured.
type Judgement struct {
	Name     string  `json:"name"`
	Verdict  Verdict `json:"verdict"`
	Bar      string  `json:"bar,omitempty"`
	Measured string  `json:"measured,omitempty"`
	Why      string  `json:"why,omitempty"` // of what was skipped, or what to do
}

// judged returns a judgement that ok decides.
func judged(name, bar, measured string, ok bool) Judgement {
	return Judgement{Name: name, Verdict: map[bool]Verdict{true: Pass, false: Fail}[ok], Bar: bar, Measured: measured}
}

// skipped returns a judgement that could not be made.
func skipped(name, why string) Judgement { return Judgement{Name: name, Verdict: Skip, Why: why} }

// Ears is whether there is a watcher to hear.
type Ears string

// The ears.
const (
	Deaf     Ears = "down"   // there is a watcher and it does not run
	Hearing  Ears = "up"     // it runs
	NoneHere Ears = "absent" // the project has no watcher: alerts are not judged
)

// unheard judges what only a running watcher can tell.
func (e Ears) unheard(name, bar string) Judgement {
	if e == NoneHere {
		return skipped(name, "this project has no watcher")
	}
	return judged(name, bar, "no running watcher", false)
}

// Options are what the operator asked for.
type Options struct {
	Phases   []Phase // empty: all
	Mode     bluegreen.FaultMode
	Rate     float64       // requests per second
	Duration time.Duration // of the baseline, and the least time of a fault
	Clients  int
	Path     string // path and query that the requests go to
	Force    bool   // although the deployment is not ok
	Wait     bool   // for alerts to resolve and for what a cooldown holds back
	Webhook  bool   // the real webhook is to be judged; without one the drill is refused
}

// Normal returns o with its defaults.
func (o Options) Normal() Options {
	if o.Mode == "" {
		o.Mode = bluegreen.FaultKill
	}
	if o.Rate <= 0 {
		o.Rate = 30
	}
	if o.Duration <= 0 {
		o.Duration = 5 * time.Second
	}
	if o.Clients <= 0 {
		o.Clients = 4
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if len(o.Phases) == 0 {
		o.Phases = Phases()
	}
	return o
}

// has reports whether a phase was asked for.
func (o *Options) has(p Phase) bool {
	return p == Restore || p == Health || slices.Contains(o.Phases, p)
}

// Shot is one request as its client saw it.
type Shot struct {
	Phase  Phase
	N      int // unique within the drill
	Method string
	Status int            // 0: no answer
	Pool   bluegreen.Pool // NoPool: the answer did not say
	Start  time.Time
	End    time.Time
	Err    string
}

// Lost reports whether the user got no answer or an error of the deployment. An
// answer of 400 is an answer: the application's word.
func (s *Shot) Lost() bool { return s.Status == 0 || s.Status >= 500 }

// mark is the parameter that makes a request of a drill known in the access log.
const mark = "bgctl-drill="

// uri is the path of request n.
func uri(path, token string, n int) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%s%s%s-%d", path, sep, mark, token, n)
}

// number is the n that a path was made with, 0 when it is not this drill's.
func number(path, token string) int {
	_, rest, ok := strings.Cut(path, mark+token+"-")
	if !ok {
		return 0
	}
	n := 0
	for _, c := range rest {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// ms is a duration in whole milliseconds, as the scorecard prints it.
func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
