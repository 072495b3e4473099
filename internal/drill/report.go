package drill

import (
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill/outpost"
)

// Result is how a drill ended as a whole.
type Result string

// The results.
const (
	Passed      Result = "pass"
	Failed      Result = "fail"
	Interrupted Result = "interrupted"
)

// Report is the scorecard of a drill, and the documented object of
// `bgctl drill --json`: fields are added, never renamed.
type Report struct {
	Project  string              `json:"project"`
	ID       string              `json:"id"` // the token in the access log
	Started  time.Time           `json:"started"`
	Took     float64             `json:"took_ms"`
	Result   Result              `json:"result"`
	Score    Score               `json:"score"`
	Active   bluegreen.Pool      `json:"active"`
	Mode     bluegreen.FaultMode `json:"mode"`
	Rate     float64             `json:"rate"`
	Timings  Timings             `json:"timings"`
	Requests Tally               `json:"requests"`
	Phases   []PhaseReport       `json:"phases"`
	Alerts   AlertReport         `json:"alerts"`
	Notes    []string            `json:"notes,omitempty"`
	Error    string              `json:"error,omitempty"` // why it ended early
}

// Score counts the judgements.
type Score struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// PhaseReport is one phase of the scorecard.
type PhaseReport struct {
	Phase      Phase       `json:"phase"`
	State      PhaseState  `json:"state"`
	Took       float64     `json:"took_ms"`
	Requests   *Tally      `json:"requests,omitempty"`
	Judgements []Judgement `json:"judgements"`
	Error      string      `json:"error,omitempty"` // why it could not go on
}

// AlertReport is what was told and what arrived.
type AlertReport struct {
	Receivers []string          `json:"receivers"`
	StandIn   bool              `json:"stand_in"` // the drill received in place of a webhook
	Expected  []Expectation     `json:"expected"`
	Told      []Told            `json:"told"`
	Received  []outpost.Message `json:"received,omitempty"` // by the stand-in
}

// PhaseState is where a phase stands.
type PhaseState string

// The states of a phase.
const (
	Pending    PhaseState = "pending"
	Working    PhaseState = "working"
	PhasePass  PhaseState = "pass"
	PhaseFail  PhaseState = "fail"
	PhaseSkip  PhaseState = "skipped"
	PhaseEnded PhaseState = "interrupted"
)

// Progress is one change of one phase.
type Progress struct {
	Phase  Phase
	State  PhaseState
	Detail string
	Took   time.Duration
}

// settle sums a phase up.
func (p *PhaseReport) settle() {
	p.State = PhaseSkip
	for i := range p.Judgements {
		switch p.Judgements[i].Verdict {
		case Fail:
			p.State = PhaseFail
		case Pass:
			if p.State == PhaseSkip {
				p.State = PhasePass
			}
		case Skip:
		}
	}
	if p.Error != "" {
		p.State = PhaseFail
	}
}

// settle sums a drill up.
func (r *Report) settle() {
	r.Score = Score{}
	for i := range r.Phases {
		p := &r.Phases[i]
		for k := range p.Judgements {
			switch p.Judgements[k].Verdict {
			case Pass:
				r.Score.Passed++
			case Fail:
				r.Score.Failed++
			case Skip:
				r.Score.Skipped++
			}
		}
		if p.State == PhaseFail && r.Result == "" {
			r.Result = Failed
		}
	}
	if r.Result == "" {
		r.Result = Passed
	}
}
