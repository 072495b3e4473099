package drill

import (
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// Settings are how the deployment is set up, as its containers say.
type Settings struct {
	Alert       alert.Config
	ReadTimeout time.Duration // after which nginx gives up on a pool that hangs
	Maintenance bool          // MAINTENANCE_MODE: messages about pools are muted
}

// errorsNeeded is how many failed requests in a row make the error rate fire at most,
// when good ones stand in the window before them. Those in a full window leave it
// one by one.
func errorsNeeded(c *alert.Config, good int) int {
	window := max(c.Window, 1)
	good = min(max(good, 0), window)
	for k := min(max(c.MinErrors, 1), window); k < window; k++ {
		n := min(good+k, window)
		if n >= min(c.MinSamples, window) && float64(100*k) > c.ThresholdPercent*float64(n) {
			return k
		}
	}
	return window
}

// stall is how long nginx may wait for a pool before it turns to the other one.
func (s *Settings) stall(mode bluegreen.FaultMode) time.Duration {
	switch mode {
	case bluegreen.FaultPause, bluegreen.FaultTimeout:
		return s.ReadTimeout
	case bluegreen.FaultKill, bluegreen.FaultStop, bluegreen.FaultError, bluegreen.FaultSlow:
	}
	return 0
}

// The bars in time, beside what the mode and the rate add to them. The alert's is the
// time in which a receiver that answers at once has the message.
const (
	firstBar    = time.Second
	detectBar   = time.Second
	alertBar    = 2 * time.Second
	recoverBar  = 2 * time.Second
	resolvedBar = 3 * time.Second
	// burstMargin is how many requests more than needed may have failed when the error
	// rate fires: those of other users stand between ours.
	burstMargin = 5
)

// requests is the time in which n requests of the drill are sent.
func requests(n int, rate float64) time.Duration {
	return time.Duration(float64(n) / rate * float64(time.Second))
}

// bars are the times a failover is held to.
type bars struct {
	first    time.Duration // to the first answer of the other pool
	detect   time.Duration // to the watcher's event
	alert    time.Duration // to the receiver's ok
	recover  time.Duration // beyond heal's end, to the first answer of the healed pool
	resolved time.Duration // from that answer to the watcher's recovery event
}

// barsFor derives the bars. The watcher confirms a failover by three requests and a
// recovery by sixteen of the last twenty, after two quiet rounds of fail_timeout.
func barsFor(s *Settings, o *Options) bars {
	stall := s.stall(o.Mode)
	return bars{
		first:    stall + firstBar + requests(1, o.Rate),
		detect:   stall + detectBar + requests(3, o.Rate),
		alert:    stall + alertBar + requests(3, o.Rate),
		recover:  recoverBar + s.Alert.FailTimeout + time.Second + requests(2, o.Rate),
		resolved: resolvedBar + 2*(s.Alert.FailTimeout+time.Second) + requests(20, o.Rate),
	}
}
