package ops

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
)

// verdict is what the file's release means for a pool.
type verdict uint8

const (
	inStep verdict = iota // the pool holds it
	intent                // this deployment has never seen it: the file asks for a deploy
	stale                 // the deployment replaced it since the file was written
)

// wish is what the file says of one pool's release.
type wish struct {
	file    bluegreen.Release // as the file has it
	have    *bluegreen.Release
	verdict verdict
}

// target is the release that the pool shall hold.
func (w *wish) target() bluegreen.Release {
	if w.verdict == intent || w.have == nil {
		return w.file
	}
	return *w.have
}

// fileRelease reads a pool's release from the project's file and environment.
func fileRelease(p *compose.Project, service string) bluegreen.Release {
	s := p.Services[service]
	rel := bluegreen.Release{Image: p.ImageRef(s)}
	if id := s.Environment[deployment.ReleaseEnv]; id != nil {
		rel.ID = *id
	}
	return rel
}

// holds is what stands in a pool: by the deployment's own record, as long as its
// container agrees or has gone, else by the container.
func holds(d *bluegreen.Deployment, pool bluegreen.Pool) *bluegreen.Release {
	runs := d.Pool(pool).Holds()
	if s := d.Standing(pool); s != nil && (runs == nil || s.Release.ImageID == runs.ImageID) {
		return &s.Release
	}
	return runs
}

// wishes judges what the file says of both pools' releases, by values and never by
// clocks. local are the images on the engine.
func wishes(d *bluegreen.Deployment, p *compose.Project, local map[string]compose.ObservedImage, history []bluegreen.Operation) map[bluegreen.Pool]*wish {
	out := map[bluegreen.Pool]*wish{}
	for _, pool := range bluegreen.Pools() {
		service := serviceOf(p, pool.Role())
		if service == "" {
			continue
		}
		w := &wish{file: fileRelease(p, service), have: holds(d, pool)}
		w.file.ImageID = local[w.file.Image].ID
		switch {
		case w.have == nil:
			w.verdict = intent
		case same(&w.file, w.have):
			w.verdict = inStep
		case seen(&w.file, history):
			w.verdict = stale
		default:
			w.verdict = intent
		}
		out[pool] = w
	}
	return out
}

// same reports whether the file asks for what is there. A file without a release ID asks
// for none in particular.
func same(file, have *bluegreen.Release) bool {
	if file.ID != "" && file.ID != have.ID {
		return false
	}
	if file.ImageID != "" && have.ImageID != "" {
		return file.ImageID == have.ImageID
	}
	return file.Image == have.Image
}

// seen reports whether a release stood in this deployment before.
func seen(rel *bluegreen.Release, history []bluegreen.Operation) bool {
	for i := range history {
		op := &history[i]
		for _, old := range []*bluegreen.Release{op.Before, op.Old, op.New} {
			if old == nil || rel.ID != "" && old.ID != "" && rel.ID != old.ID {
				continue
			}
			if old.Image == rel.Image || rel.ImageID != "" && old.ImageID == rel.ImageID {
				return true
			}
		}
	}
	return false
}

// staleNote says which release is live although the file has an older one.
func staleNote(d *bluegreen.Deployment, pool bluegreen.Pool, w *wish, history []bluegreen.Operation) string {
	name := strings.ToUpper(pool.String())
	text := fmt.Sprintf("the file gives %s %s, which this deployment replaced: %s holds %s", pool, &w.file, pool, w.have)
	text += since(history, func(op *bluegreen.Operation) bool { return op.New.Same(w.have) && op.To == pool })
	live := ""
	if pool == d.Active() {
		live = ", and takes all traffic"
	}
	return text + live + fmt.Sprintf("; it stays. Bring %s_IMAGE up to date, or take the file's word: bgctl up --release-from-env", name)
}

// activeNote says which pool takes traffic although the file names another one.
func activeNote(d *bluegreen.Deployment, asked bluegreen.Pool, history []bluegreen.Operation) string {
	text := fmt.Sprintf("the file says ACTIVE_POOL=%s, but %s takes traffic", asked, d.Active())
	text += since(history, func(op *bluegreen.Operation) bool { return op.Moved() && op.To == d.Active() })
	return text + fmt.Sprintf("; it stays there. Move it: bgctl switch %s", asked)
}

// since says when and by whom the newest of some operations was done, "" when there is none.
func since(history []bluegreen.Operation, of func(*bluegreen.Operation) bool) string {
	for i := range slices.Backward(history) {
		if op := &history[i]; of(op) {
			return fmt.Sprintf(" since %s by %s@%s", op.Finished.Local().Format("2006-01-02 15:04:05"), op.By.User, op.By.Host)
		}
	}
	return ""
}

// everMoved reports whether traffic was moved on purpose since the deployment exists.
func everMoved(history []bluegreen.Operation) bool {
	for i := range history {
		if history[i].Moved() {
			return true
		}
	}
	return false
}

// withReleases is the project with what its pools shall hold.
func (t *Target) withReleases(ctx context.Context, want map[bluegreen.Pool]*wish) (*compose.Project, error) {
	rels := map[bluegreen.Pool]bluegreen.Release{}
	for pool, w := range want {
		if w.verdict == stale {
			rels[pool] = w.target()
		}
	}
	if len(rels) == 0 {
		return t.Project, nil
	}
	return t.Install.Project(ctx, rels)
}
