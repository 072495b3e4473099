package bluegreen

import (
	"fmt"
	"time"
)

// Release is one version of the application, exactly enough to bring it back.
type Release struct {
	ID      string `json:"release,omitempty"`  // what people call it, RELEASE_ID of its containers
	Image   string `json:"image"`              // reference as it was asked for
	ImageID string `json:"image_id,omitempty"` // what the reference meant then: sha256:…
	Digest  string `json:"digest,omitempty"`   // repository@sha256:… when a registry has it
}

// Same reports whether both are the same bytes under the same name.
func (r *Release) Same(other *Release) bool {
	return r != nil && other != nil && r.ImageID != "" && r.ImageID == other.ImageID && r.ID == other.ID
}

// String is the release as people read it.
func (r *Release) String() string {
	switch {
	case r == nil:
		return "nothing"
	case r.ID == "":
		return r.Image
	case r.Image == "":
		return r.ID
	}
	return r.ID + " (" + r.Image + ")"
}

// Standing is the deployment's own record of what stands in a pool: the release, and
// the configuration that it was put there with.
type Standing struct {
	Pool      Pool      `json:"pool"`
	Release   Release   `json:"release"`
	Config    string    `json:"config,omitempty"` // hash of the service's configuration without image and release
	Operation string    `json:"operation,omitempty"`
	By        Holder    `json:"by"`
	Since     time.Time `json:"since"`
}

// Solo says that one pool is kept out of the failover, because what stands in it
// has not been verified. The other pool has no backup meanwhile.
type Solo struct {
	Pool  Pool      `json:"pool"` // the pool that is kept out
	By    Holder    `json:"by"`
	Since time.Time `json:"since"`
}

// Drain is how far a pool is from having no request in flight.
type Drain struct {
	Pool     Pool      `json:"pool"`
	InFlight int       `json:"in_flight"` // connections between the proxy and the pool
	Until    time.Time `json:"until"`     // when waiting ends
}

// Bake is a new release that takes traffic and is watched. It lives in the proxy's
// state, so that every operator sees the bake that one of them runs.
type Bake struct {
	Operation string    `json:"operation"` // ID of the deploy
	Pool      Pool      `json:"pool"`      // the pool that is watched
	From      Pool      `json:"from"`      // where a breach sends traffic back to
	By        Holder    `json:"by"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
	Threshold float64   `json:"threshold"` // percent of failed attempts that rolls back
	Verdict   Verdict   `json:"verdict"`
	Live      bool      `json:"live"` // its command still watches; told by the proxy
}

// Verdict is what the requests of a bake say so far.
type Verdict struct {
	Requests int     `json:"requests"`         // requests that tried the pool
	Failed   int     `json:"failed"`           // requests that failed on it, the ones another pool saved included
	Saved    int     `json:"saved"`            // failed on it and answered by the other pool
	Rate     float64 `json:"rate"`             // percent of the newest window that failed on it
	Enough   bool    `json:"enough"`           // requests enough to judge by
	Breach   string  `json:"breach,omitempty"` // why it has to be rolled back
}

// String is the verdict in one line.
func (v *Verdict) String() string {
	s := fmt.Sprintf("%d requests, %.1f %% failed on it now, %d in all", v.Requests, v.Rate, v.Failed)
	if v.Saved > 0 {
		s += fmt.Sprintf(" (%d saved by the other pool)", v.Saved)
	}
	return s
}
