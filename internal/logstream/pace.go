package logstream

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pace decides when a follower looks again. Polling is the truth; what the system
// tells is a hint that makes the next look come at once. Hints are silent on some
// file systems, so they are trusted only while they keep up with what looks find.
type pace struct {
	cfg      *FileConfig
	hints    *fsnotify.Watcher // nil: none to be had
	names    []string          // the log's own and what its link points to
	trusted  bool
	hinted   bool // something was told since the last look
	surprise bool // the last look found what nothing had told of
	looked   time.Time
}

// minLook is the shortest time between two looks. A busy log costs at most a
// hundred looks a second, whatever its number of lines.
const minLook = 10 * time.Millisecond

func newPace(cfg *FileConfig) *pace {
	p := &pace{cfg: cfg, looked: time.Now()}
	if cfg.PollOnly {
		return p
	}
	// Without a watcher (no inotify instance left, another system) polling does.
	p.hints, _ = fsnotify.NewWatcher()
	p.arm()
	return p
}

// arm watches the directories of the log: its own file comes and goes.
func (p *pace) arm() {
	if p.hints == nil {
		return
	}
	p.names = []string{p.cfg.Path}
	if target, err := filepath.EvalSymlinks(p.cfg.Path); err == nil && target != p.cfg.Path {
		p.names = append(p.names, target)
	}
	for _, name := range p.names {
		_ = p.hints.Add(dirOf(name)) // without it the looks find what is new
	}
}

// wait returns when it is time to look again; grew says that the last look found
// something.
func (p *pace) wait(ctx context.Context, grew bool) error {
	p.judge(grew)
	rest := min(minLook, p.cfg.Poll) - time.Since(p.looked)
	if err := sleep(ctx, rest); err != nil {
		return err
	}
	err := p.await(ctx)
	p.looked = time.Now()
	return err
}

// judge trusts the hints once one led to something, and no longer when two looks
// in a row found something that no hint, not even a late one, had told of.
func (p *pace) judge(grew bool) {
	switch {
	case p.hinted:
		p.trusted = p.trusted || grew
		p.surprise = false
	case grew && p.surprise:
		if p.trusted {
			p.arm() // the directory may be another one now
		}
		p.trusted = false
	case grew:
		p.surprise = true
	}
	p.hinted = false
}

func (p *pace) await(ctx context.Context) error {
	every := p.cfg.Poll
	if p.trusted {
		every = p.cfg.IdlePoll
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if p.hints != nil {
		events, errs = p.hints.Events, p.hints.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			if p.concerns(e.Name) {
				p.hinted = true
				return nil
			}
		case <-errs: //nolint:errcheck // an overflow: something happened
			p.hinted = true
			return nil
		case <-timer.C:
			return nil
		}
	}
}

// concerns reports whether a file is the log or lies beside it under its name.
func (p *pace) concerns(name string) bool {
	return slices.ContainsFunc(p.names, func(log string) bool {
		return strings.HasPrefix(filepath.Base(name), filepath.Base(log))
	})
}

func (p *pace) close() {
	if p.hints != nil {
		_ = p.hints.Close()
	}
}
