package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// UpOptions steer [Target.Up].
type UpOptions struct {
	Build          bool
	ForceRecreate  bool
	RemoveOrphans  bool
	ReleaseFromEnv bool // the file's releases and active pool count, also when they are old
	Upgrade        bool // replace the proxy's container when only its image is another one
	Timeout        time.Duration
	Version        string // of this bgctl
}

// compose returns the options for the part that the engine converges.
func (o *UpOptions) compose(t *Target) compose.UpOptions {
	return compose.UpOptions{
		Build: o.Build, ForceRecreate: o.ForceRecreate, RemoveOrphans: o.RemoveOrphans,
		WaitHealthy: true, WaitTimeout: o.Timeout, Images: t.Images, RegistryAuth: t.Auth,
		Live: func(service string) []string {
			if role(t.Project, service) == bluegreen.RoleProxy {
				return proxy.SettingNames()
			}
			return nil
		},
	}
}

// Up plans to bring the project up, or up to date. A deployment that runs is changed by a
// plan of the domain, under its lock; one that does not run has neither a lock nor a
// request to lose.
func (t *Target) Up(ctx context.Context, opts UpOptions) (Plan, error) {
	d, err := t.Stack.Observe(ctx)
	if err != nil {
		return Plan{}, err
	}
	if err := t.checkSettings(); err != nil {
		return Plan{}, err
	}
	if d.Proxy == nil || d.Proxy.State != "running" {
		return t.first(ctx, &d, &opts)
	}
	if d.Router == nil && (opts.Upgrade || opts.ForceRecreate) {
		return t.first(ctx, &d, &opts) // there is no agent that could give the lock
	}
	if d.Router == nil {
		return Plan{}, fmt.Errorf("%w: the proxy runs and does not answer: %s; look at it: bgctl logs %s",
			compose.ErrUnreachable, d.RouterErr, d.Proxy.Service)
	}
	if by := d.Router.Lock; by != nil {
		// What is seen now may be the middle of what the other command does.
		return Plan{}, &bluegreen.LockedError{Holder: *by}
	}
	if p := bluegreen.PlanRecover(&d); !p.Empty() {
		// What the pools hold is known only when that is done; then `up` is planned.
		p.Command = "bgctl up"
		return Plan{Plan: p, Stack: &stack{Target: t, project: t.Project}, Again: true}, nil
	}
	return t.change(ctx, &d, &opts)
}

// first plans a project whose proxy does not run. The pools that are there already stay
// as they are until the proxy tells what they shall hold.
func (t *Target) first(ctx context.Context, d *bluegreen.Deployment, opts *UpOptions) (Plan, error) {
	seen, err := t.Client.Observe(ctx, t.Project)
	if err != nil {
		return Plan{}, err
	}
	options := opts.compose(t)
	options.Leave = func(service string) bool {
		return takesTraffic(t.Project, service) && role(t.Project, service) != bluegreen.RoleProxy
	}
	plan, err := compose.PlanUp(t.Project, seen, options)
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Plan:   bluegreen.Plan{Action: bluegreen.ActUp, Project: t.Project.Name, Notes: notes(plan)},
		Direct: plan, Again: len(d.Blue.Containers)+len(d.Green.Containers) > 0 && serviceOf(t.Project, bluegreen.RoleProxy) != "",
	}, nil
}

// notes are what the operator should know of a plan.
func notes(plan *compose.Plan) []string {
	out := append([]string(nil), plan.Warnings...)
	for _, name := range plan.Orphans {
		out = append(out, name+" belongs to no service of the file; bgctl up --remove-orphans removes it")
	}
	return out
}

// settings are the values of the proxy's settings in the project.
func settings(p *compose.Project) map[string]string {
	service := serviceOf(p, bluegreen.RoleProxy)
	out := map[string]string{}
	for _, name := range proxy.SettingNames() {
		if v := p.Services[service].Environment[name]; v != nil {
			out[name] = *v
		}
	}
	return out
}

// checkSettings refuses settings that the proxy could not start with.
func (t *Target) checkSettings() error {
	if serviceOf(t.Project, bluegreen.RoleProxy) == "" {
		return nil
	}
	values := settings(t.Project)
	if active := t.Project.Services[serviceOf(t.Project, bluegreen.RoleProxy)].Environment["ACTIVE_POOL"]; active != nil {
		values["ACTIVE_POOL"] = *active
	}
	_, _, err := proxy.LoadSettings(func(name string) string { return values[name] }, "127.0.0.11")
	return err
}

// change plans the difference between a deployment that runs and its file.
func (t *Target) change(ctx context.Context, d *bluegreen.Deployment, opts *UpOptions) (Plan, error) {
	var history []bluegreen.Operation
	err := t.Stack.Ask(ctx, func(r bluegreen.Router) (err error) {
		history, err = r.History(ctx)
		return err
	})
	if err != nil {
		return Plan{}, err
	}
	seen, err := t.Client.Observe(ctx, t.Project)
	if err != nil {
		return Plan{}, err
	}
	spec := &bluegreen.UpSpec{Command: "bgctl up", Timeout: opts.Timeout, Pools: map[bluegreen.Pool]bluegreen.PoolWant{}}
	want := wishes(d, t.Project, seen.Images, history)
	opts.settle(d, want, history, spec)
	project, err := t.withReleases(ctx, want)
	if err != nil {
		return Plan{}, err
	}
	if project != t.Project {
		if seen, err = t.Client.Observe(ctx, project); err != nil {
			return Plan{}, err
		}
	}
	options := opts.compose(t)
	options.Leave = func(service string) bool { return takesTraffic(project, service) }
	plan, err := compose.PlanUp(project, seen, options)
	if err != nil {
		return Plan{}, err
	}
	spec.Notes = append(spec.Notes, notes(plan)...)
	spec.LastGap = lastGap(history)
	diff := &difference{Target: t, d: d, project: project, plan: plan, opts: opts, spec: spec}
	diff.pools(want)
	diff.active(history)
	if err := diff.proxy(ctx); err != nil {
		return Plan{}, err
	}
	images, rest := plan.Split()
	spec.Images, spec.Changes = lines(images), lines(rest)
	out, err := bluegreen.PlanUp(d, spec)
	return Plan{Plan: out, Stack: t.stack(d, project, plan)}, err
}

// settle takes the word of an old file where that is asked for, and notes it where not.
func (o *UpOptions) settle(d *bluegreen.Deployment, want map[bluegreen.Pool]*wish, history []bluegreen.Operation, spec *bluegreen.UpSpec) {
	for _, pool := range bluegreen.Pools() {
		w := want[pool]
		switch {
		case w == nil || w.verdict != stale:
		case o.ReleaseFromEnv:
			w.verdict = intent
		default:
			spec.Notes = append(spec.Notes, staleNote(d, pool, w, history))
		}
	}
}

// difference is what is between a deployment that runs and its file.
type difference struct {
	*Target
	d       *bluegreen.Deployment
	project *compose.Project // with the releases that the pools shall hold
	plan    *compose.Plan
	opts    *UpOptions
	spec    *bluegreen.UpSpec
}

// pools says which pools are not what the file asks for.
func (f *difference) pools(want map[bluegreen.Pool]*wish) {
	for _, left := range f.plan.Left {
		for _, pool := range bluegreen.Pools() {
			if role(f.project, left.Service) != pool.Role() || want[pool] == nil {
				continue
			}
			w := want[pool]
			rel := w.target()
			if w.verdict == intent || left.Cause != "" && among(left.Cause, "image") {
				rel.ImageID, rel.Digest = "", "" // what the name means when it is put there
			}
			f.spec.Pools[pool] = bluegreen.PoolWant{Release: rel, Cause: left.Cause, Intent: w.verdict == intent && f.d.Pool(pool).Holds() != nil && !sameRelease(&rel, w.have)}
		}
	}
}

// sameRelease reports whether both are called the same.
func sameRelease(a, b *bluegreen.Release) bool {
	return b != nil && a.ID == b.ID && a.Image == b.Image
}

// active takes the file's word on the active pool, as long as nobody moved traffic.
func (f *difference) active(history []bluegreen.Operation) {
	asked, err := bluegreen.ParsePool(f.Project.Environment["ACTIVE_POOL"])
	switch {
	case err != nil || asked == f.d.Active():
	case f.opts.ReleaseFromEnv || !everMoved(history):
		f.spec.Active = asked
	default:
		f.spec.Notes = append(f.spec.Notes, activeNote(f.d, asked, history))
	}
}

// proxy says which settings of the proxy change, and whether its container has to be
// replaced.
func (f *difference) proxy(ctx context.Context) error {
	project, plan, spec := f.project, f.plan, f.spec
	for _, left := range plan.Left {
		if role(project, left.Service) != bluegreen.RoleProxy {
			continue
		}
		if among(left.Cause, "image") && !f.opts.Upgrade && !f.opts.ForceRecreate {
			spec.Notes = append(spec.Notes, fmt.Sprintf(
				"the proxy's container runs another image than the file asks for (bgctl %s inside, %s here) and goes on: bgctl up --upgrade replaces it",
				f.d.Router.Agent, f.opts.Version))
			plan.DropImage(project.ImageRef(project.Services[left.Service]))
			continue
		}
		spec.Replace = left.Cause
		if among(left.Cause, "image") {
			spec.Replace = "the file asks for another image"
		}
	}
	if spec.Replace != "" {
		return nil // the new container starts with the file's settings
	}
	spec.Settings = settings(project)
	if len(spec.Settings) == 0 {
		return nil
	}
	err := f.Stack.Ask(ctx, func(r bluegreen.Router) (err error) {
		spec.Changed, err = r.Configure(ctx, bluegreen.Configuration{Settings: spec.Settings, Check: true})
		return err
	})
	if slices.Contains(spec.Changed, "PORT") {
		return &bluegreen.RefusedError{
			Action: bluegreen.ActUp, Reasons: []string{"PORT cannot change while the stack runs: pools and proxy would have to change at the same moment"},
			Hint: "nothing was changed; take the stack down, then bring it up: bgctl down, bgctl up",
		}
	}
	if outdated, old := errors.AsType[*proxy.OutdatedError](err); old {
		if len(plan.LiveDrift[serviceOf(project, bluegreen.RoleProxy)]) == 0 {
			return nil
		}
		spec.Replace = "settings changed, and " + outdated.Error()
		return nil
	}
	return err
}

// lastGap is how long nothing answered when the proxy was replaced the last time.
func lastGap(history []bluegreen.Operation) time.Duration {
	for i := range slices.Backward(history) {
		if history[i].Gap > 0 {
			return history[i].Gap
		}
	}
	return 0
}
