package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The steps of what a deployment has beside its pools.
const (
	OpFetch     StepOp = "fetch"     // get the images
	OpConverge  StepOp = "converge"  // make what takes no traffic match the file
	OpCheck     StepOp = "check"     // test the proxy's settings, change nothing
	OpConfigure StepOp = "configure" // put the proxy's settings in force
	OpReplace   StepOp = "replace"   // replace the proxy's container
	OpRemove    StepOp = "remove"    // remove what the plan lists
)

// errNoStack is a controller that cannot do what its plan says.
var errNoStack = errors.New("this bgctl cannot change the stack: it has none")

// fetch gets the images before anything is changed: what cannot be had is no half change.
type fetch struct{}

func fetchStep(images []string) Step {
	return Step{Op: OpFetch, Detail: images, Text: "get the images", act: fetch{}}
}

func (fetch) do(_ context.Context, r *run) error {
	if r.Stack == nil {
		return errNoStack
	}
	return r.Stack.Fetch(r.user, r.tell) //nolint:contextcheck // see run
}

// converge makes everything beside pools and proxy match the file.
type converge struct{}

func convergeStep(changes []string) Step {
	return Step{
		Op: OpConverge, Detail: changes, act: converge{},
		Text: "change what takes no traffic",
	}
}

func (converge) do(_ context.Context, r *run) error {
	if r.Stack == nil {
		return errNoStack
	}
	// A pull may take long. What must not be cut off is not, see the seam.
	return r.Stack.Converge(r.user, r.tell) //nolint:contextcheck // see run
}

// configure tests the proxy's settings, and puts them in force.
type configure struct{ Configuration }

func checkStep(settings map[string]string, changed []string) Step {
	return Step{
		Op: OpCheck, act: configure{Configuration{Settings: settings, Check: true}},
		Text: "test with nginx: " + strings.Join(changed, ", "),
	}
}

func configureStep(settings map[string]string, changed []string) Step {
	return Step{
		Op: OpConfigure, act: configure{Configuration{Settings: settings}},
		Text: "put in force by a reload: " + strings.Join(changed, ", "),
	}
}

func (s configure) do(ctx context.Context, r *run) error {
	changed, err := r.router.Configure(ctx, s.Configuration)
	if err != nil {
		return err
	}
	r.detail = strings.Join(changed, ", ")
	return nil
}

// replace replaces the proxy's container and measures how long nothing answered.
type replace struct{}

func replaceStep(cause string, last time.Duration) Step {
	text := fmt.Sprintf("replace the proxy's container (%s): for a moment no request is answered", cause)
	if last > 0 {
		text += fmt.Sprintf(", %s the last time", last.Round(time.Millisecond))
	}
	return Step{Op: OpReplace, Text: text, act: replace{}}
}

func (replace) do(ctx context.Context, r *run) error {
	if r.Stack == nil {
		return errNoStack
	}
	gap, err := r.Stack.ReplaceProxy(ctx, r.tell)
	if err != nil {
		return err
	}
	r.outcome.Gap, r.op.Gap = gap, gap
	r.detail = nothingAnswered(gap)
	return r.reopen(ctx)
}

// nothingAnswered tells how long a replacement of the proxy was seen by its users.
func nothingAnswered(gap time.Duration) string {
	return fmt.Sprintf("nothing answered for %s", gap.Round(time.Millisecond))
}

// remove removes what the plan lists.
type remove struct{}

func removeStep(what []string) Step {
	return Step{Op: OpRemove, Detail: what, Text: "remove", act: remove{}}
}

func (remove) do(ctx context.Context, r *run) error {
	if r.Stack == nil {
		return errNoStack
	}
	return r.Stack.Remove(ctx, r.tell)
}
