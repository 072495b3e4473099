package backtest

import (
	"strings"

	"bgctl/internal/logstream"
)

// owner gives memory of their own to the strings that an event may show: records
// are pieces of a block that is soon used again. Requests that went well appear in
// no event but for their release, of which there are few.
type owner struct{ releases [2]string }

func (o *owner) own(rec *logstream.Record) {
	if rec.Release != "" {
		rec.Release = o.release(rec.Release)
	}
	if rec.Status < 400 && len(rec.Attempts) == 1 && !rec.Attempts[0].Failed() {
		return
	}
	rec.Method, rec.Path = strings.Clone(rec.Method), strings.Clone(rec.Path)
	rec.RequestID = strings.Clone(rec.RequestID)
}

// release returns the same string for the same release.
func (o *owner) release(name string) string {
	for _, known := range o.releases {
		if known == name {
			return known
		}
	}
	o.releases = [2]string{strings.Clone(name), o.releases[0]}
	return o.releases[0]
}
