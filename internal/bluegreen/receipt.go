package bluegreen

import (
	"fmt"
	"time"
)

// Receipt is what a switch cost the users, measured by clients that held
// connections across it and never retry.
type Receipt struct {
	Sent     int     `json:"sent"`
	Failed   int     `json:"failed"`
	FirstNew float64 `json:"first_new_ms"`       // from the rename to the first answer of the new pool
	LastOld  float64 `json:"last_old_ms"`        // from the rename to the last answer of the old pool; 0 when none came later
	Late     int     `json:"late"`               // answers of the old pool to requests sent after the command's rename returned
	Idle     string  `json:"idle,omitempty"`     // the idle connection: "kept", or why not
	Long     string  `json:"long,omitempty"`     // the long request: "kept", or why not
	Skipped  string  `json:"skipped,omitempty"`  // why nothing was measured
	Total    float64 `json:"total_ms,omitempty"` // from the command to the verified switch
	Detail   string  `json:"detail,omitempty"`   // the first failure in words
}

// String is the receipt in one line.
func (r *Receipt) String() string {
	if r.Skipped != "" {
		return "receipt: not measured (" + r.Skipped + ")"
	}
	s := fmt.Sprintf("receipt: %d sent, %d failed; first answer of the new pool after %.0f ms, last of the old after %.0f ms",
		r.Sent, r.Failed, r.FirstNew, r.LastOld)
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	return s
}

// ms converts a duration to milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
