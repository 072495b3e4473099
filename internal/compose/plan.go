package compose

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Action is what a step does to its resource.
type Action string

// The actions of a plan.
const (
	ActionCreate   Action = "create"
	ActionPull     Action = "pull"
	ActionBuild    Action = "build"
	ActionMake     Action = "make" // by the caller's [ImageProvider]
	ActionRecreate Action = "recreate"
	ActionRename   Action = "rename"
	ActionStart    Action = "start"
	ActionStop     Action = "stop"
	ActionRemove   Action = "remove"
	ActionWait     Action = "wait"
	ActionKeep     Action = "keep"
)

// ResourceKind is what a step acts on.
type ResourceKind string

// The kinds of resources.
const (
	KindNetwork   ResourceKind = "network"
	KindVolume    ResourceKind = "volume"
	KindImage     ResourceKind = "image"
	KindContainer ResourceKind = "container"
)

// Operation is one step of a plan. The executor carries it out and decides nothing.
type Operation struct {
	Action Action
	Kind   ResourceKind
	Name   string // as the engine calls it
	Cause  string
	// After are the IDs of the steps that have to be done first.
	After []string

	key         string // of the network or volume in the file
	service     string
	number      int
	containerID string // of a container, or of a network to remove
	condition   string // of a wait
	optional    bool   // a wait that may fail
	imageMoved  bool   // recreate only if the image of the container is another one by now
	leftover    bool   // a removal of what an interrupted recreate left
	asItIs      bool   // a start that puts no files into the container
	settle      bool   // a start only if the container stops by itself
}

// ID names the step within its plan.
func (o Operation) ID() string {
	id := string(o.Action) + " " + string(o.Kind) + " " + o.Name
	if o.condition != "" {
		id += " " + strings.TrimPrefix(o.condition, "service_")
	}
	return id
}

// Drift is a variable whose value in a running container is no longer the file's.
type Drift struct{ From, To string }

// Left is a container that a plan leaves exactly as it is, as [UpOptions.Leave] asks.
type Left struct {
	Service   string
	Container string // its name
	ID        string
	Cause     string // why it would have been recreated, stopped or removed
}

// Plan is what [Client.Execute] will do, in an order in which it could be done one by one.
type Plan struct {
	Operations []Operation
	// LiveDrift holds, by service, the live variables that differ in
	// containers which are kept because nothing else does.
	LiveDrift map[string]map[string]Drift
	// Orphans are containers of the project whose service is not in the file, and that stay.
	Orphans []string
	// Kept says what a removal leaves, and why: all of [Client.PlanDown], and orphans that
	// are not the embedded project's.
	Kept []string
	// Left are the containers that need something but are left to the caller.
	Left []Left
	// Warnings are differences that the plan does nothing about. They may hold foreign text.
	Warnings []string

	project  *Project
	observed *Observed
	options  UpOptions
}

// Empty says that nothing has to be done.
func (p *Plan) Empty() bool { return len(p.Operations) == 0 }

// String is one line per step, the same for dry runs and tests.
func (p *Plan) String() string {
	var out strings.Builder
	for _, op := range p.Operations {
		fmt.Fprintf(&out, "%s: %s\n", op.ID(), op.Cause)
	}
	for _, service := range sortedKeys(p.LiveDrift) {
		for _, key := range sortedKeys(p.LiveDrift[service]) {
			drift := p.LiveDrift[service][key]
			fmt.Fprintf(&out, "%s service %s: %s changes live from %q to %q\n",
				ActionKeep, service, key, drift.From, drift.To)
		}
	}
	return out.String()
}

// Split parts the plan into the steps that provide images, which change nothing that runs,
// and all others.
func (p *Plan) Split() (images, rest *Plan) {
	first, second := *p, *p
	first.Operations, second.Operations = nil, nil
	for _, op := range p.Operations {
		if op.Kind == KindImage && op.Action != ActionRemove {
			first.Operations = append(first.Operations, op)
		} else {
			second.Operations = append(second.Operations, op)
		}
	}
	return &first, &second
}

// DropImage takes the steps out of the plan that provide an image, for a container that
// stays as it is.
func (p *Plan) DropImage(ref string) {
	p.Operations = slices.DeleteFunc(p.Operations, func(op Operation) bool {
		return op.Kind == KindImage && op.Name == ref && op.Action != ActionRemove
	})
}

func (p *Plan) add(op Operation) string {
	id := op.ID()
	if !p.has(id) {
		p.Operations = append(p.Operations, op)
	}
	return id
}

func (p *Plan) has(id string) bool {
	return slices.ContainsFunc(p.Operations, func(op Operation) bool { return op.ID() == id })
}

// UpOptions steer [PlanUp] and the execution of its plan.
type UpOptions struct {
	// Build rebuilds images that services are built from, even if they exist.
	Build bool
	// ForceRecreate recreates every container.
	ForceRecreate bool
	// RemoveOrphans removes containers whose service is not in the file.
	RemoveOrphans bool
	// WaitHealthy makes the plan end when every service runs, and is healthy if it has a check.
	WaitHealthy bool
	// WaitTimeout bounds each wait; 5 minutes when zero.
	WaitTimeout time.Duration
	// StopTimeout overrides stop_grace_period.
	StopTimeout *time.Duration
	// RegistryAuth returns the encoded credentials for an image reference; may be nil.
	RegistryAuth func(ref string) (string, error)
	// Leave names the services whose existing containers are not recreated, stopped or
	// removed; [Plan.Left] says what they would have needed. What is missing is created and
	// what is stopped is started all the same. nil leaves none.
	Leave func(service string) bool
	// Live names more variables of a service that change in the running container, beside
	// those of x-bgctl.live_env: a change of these alone is no reason to recreate. May be nil.
	Live func(service string) []string
	// Images is asked before an image is pulled; may be nil.
	Images ImageProvider
}
