package alert

import "time"

// Episode sums up what lies between the firing of an alert and its end. It stands in
// the resolved event and closes the loop for those who were told that it fired. Who
// carries events on fills it in: see package watch.
type Episode struct {
	Lasted float64 `json:"lasted_seconds"`
	// Peak is the worst error rate of the window meanwhile, PeakAttempts the worst
	// share of requests with a failed attempt, both in percent.
	Peak         float64 `json:"peak_rate"`
	PeakAttempts float64 `json:"peak_attempt_rate"`
	Requests     uint64  `json:"requests"` // seen meanwhile
	Failed       uint64  `json:"failed"`   // answered with 500 or more
	Saved        uint64  `json:"saved"`    // failed on one pool and answered by the other
}

// Duration returns how long the alert fired.
func (e *Episode) Duration() time.Duration {
	return time.Duration(e.Lasted * float64(time.Second))
}
