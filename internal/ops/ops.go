// Package ops holds the use cases that are more than one plan: what `bgctl up` and
// `bgctl down` ask of a project's file, of the engine and of the running deployment,
// brought together into one plan of the domain.
//
// It decides what the file means for a deployment that runs. It prints nothing, asks
// nobody, and leaves the execution to [bluegreen.Controller].
package ops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
)

// Target is the project that a use case works on.
type Target struct {
	Client  *compose.Client
	Project *compose.Project
	Stack   *deployment.Stack
	Install *deployment.Installer
	Images  compose.ImageProvider
	// Auth returns the encoded credentials for an image's registry; may be nil.
	Auth func(ref string) (string, error)
	// ProxyURL returns the proxy's published address as this machine reaches it, "" for
	// none; may be nil.
	ProxyURL func(*bluegreen.Deployment) string
	// Progress follows the changes of what takes no traffic; may be nil.
	Progress compose.Progress
}

// role returns the role of a service of a project.
func role(p *compose.Project, service string) bluegreen.Role {
	return deployment.ServiceRole(service, p.Services[service].Labels[deployment.RoleLabel])
}

// serviceOf returns the first service with a role, "" when there is none.
func serviceOf(p *compose.Project, want bluegreen.Role) string {
	for _, name := range p.ServiceNames() {
		if role(p, name) == want {
			return name
		}
	}
	return ""
}

// takesTraffic reports whether a service is a pool or the proxy.
func takesTraffic(p *compose.Project, service string) bool {
	switch role(p, service) {
	case bluegreen.RoleBlue, bluegreen.RoleGreen, bluegreen.RoleProxy:
		return true
	case bluegreen.RoleWatcher:
	}
	return false
}

// teller passes the steps of the engine's work on in words, and to another progress.
type teller struct {
	on    deployment.Teller
	other compose.Progress
}

// Update implements [compose.Progress].
func (t teller) Update(e compose.StepEvent) {
	t.on.Update(e)
	if t.other != nil {
		t.other.Update(e)
	}
}

// lines are the steps of a plan that change something, a line each.
func lines(plan *compose.Plan) []string {
	var out []string
	for _, op := range plan.Operations {
		if op.Action != compose.ActionWait {
			out = append(out, fmt.Sprintf("%s: %s", op.ID(), op.Cause))
		}
	}
	return out
}

// stack implements [bluegreen.Stack] for one plan.
type stack struct {
	*Target
	project *compose.Project
	plan    *compose.Plan
	proxy   string // the proxy's service
	url     string // the proxy's published address, "" for none
}

var _ bluegreen.Stack = (*stack)(nil)

// stack returns what carries out the part of a plan that is not the domain's.
func (t *Target) stack(d *bluegreen.Deployment, project *compose.Project, plan *compose.Plan) *stack {
	s := &stack{Target: t, project: project, plan: plan, proxy: serviceOf(project, bluegreen.RoleProxy)}
	if t.ProxyURL != nil {
		s.url = t.ProxyURL(d)
	}
	return s
}

// Fetch implements [bluegreen.Stack].
func (s *stack) Fetch(ctx context.Context, on func(string)) error {
	images, _ := s.plan.Split()
	return s.Client.Execute(ctx, images, teller{on, s.Progress})
}

// Converge implements [bluegreen.Stack].
func (s *stack) Converge(ctx context.Context, on func(string)) error {
	_, rest := s.plan.Split()
	return s.Client.Execute(ctx, rest, teller{on, s.Progress})
}

// Remove implements [bluegreen.Stack].
func (s *stack) Remove(ctx context.Context, on func(string)) error { return s.Converge(ctx, on) }

// DownOptions steer [Target.Down].
type DownOptions struct {
	Volumes       bool
	RemoveOrphans bool
	Timeout       *time.Duration
}

// Plan is a plan of the domain with what carries out the part of it that is not the
// domain's.
type Plan struct {
	bluegreen.Plan
	Stack bluegreen.Stack
	// Direct is set when nothing of the deployment runs that could take a lock, or lose a
	// request: it is carried out as it is, and Plan has no steps.
	Direct *compose.Plan
	// Again says that the rest is planned when this is done.
	Again bool
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return p.Plan.Empty() && (p.Direct == nil || p.Direct.Empty()) }

// Down plans to remove what the project's file declares and what carries its labels.
func (t *Target) Down(ctx context.Context, opts DownOptions) (Plan, error) {
	plan, err := t.Client.PlanDown(ctx, t.Project, compose.DownOptions{
		Volumes: opts.Volumes, RemoveOrphans: opts.RemoveOrphans, Timeout: opts.Timeout,
	})
	if err != nil {
		return Plan{}, err
	}
	d, err := t.Stack.Observe(ctx)
	if err != nil {
		return Plan{}, err
	}
	if len(plan.Operations) == 0 && len(plan.Kept) > 0 {
		return Plan{}, &bluegreen.RefusedError{
			Action: bluegreen.ActDown, Reasons: []string{fmt.Sprintf("nothing of project %s may be removed from here: %s", t.Project.Name, kept(plan.Kept))},
			Hint: "go to the folder of its compose file, or name that with -f",
		}
	}
	spec := bluegreen.DownSpec{Command: "bgctl down", What: lines(plan), Notes: plan.Kept}
	if opts.Volumes {
		spec.Command += " --volumes"
		spec.Data = slices.ContainsFunc(plan.Operations, func(op compose.Operation) bool { return op.Kind == compose.KindVolume })
	}
	if opts.RemoveOrphans {
		spec.Command += " --remove-orphans"
	}
	out := Plan{Plan: bluegreen.PlanDown(&d, &spec), Stack: &stack{Target: t, project: t.Project, plan: plan}}
	if d.Router == nil && len(spec.What) > 0 {
		out.Direct = plan
	}
	return out, nil
}

// kept words what a removal leaves: the first reason, and how many there are.
func kept(reasons []string) string {
	if n := len(reasons) - 1; n > 0 {
		return fmt.Sprintf("%s, and %d more", reasons[0], n)
	}
	return reasons[0]
}

// among reports whether a text names one of some words.
func among(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
