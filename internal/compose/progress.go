package compose

import (
	"context"
	"time"
)

// StepState is how far a step is.
type StepState string

// The states of a step.
const (
	StepWorking StepState = "working"
	StepDone    StepState = "done"
	StepError   StepState = "error"
	StepSkipped StepState = "skipped"
)

// StepEvent reports a step of an execution. Detail may be foreign text.
type StepEvent struct {
	Kind    ResourceKind
	Name    string
	Action  Action
	State   StepState
	Detail  string
	Elapsed time.Duration
}

// Progress receives the steps of an execution, from several goroutines at once.
type Progress interface {
	Update(event StepEvent)
}

// ImageProvider can make images that no registry has, such as the one of the
// running program.
type ImageProvider interface {
	// Provides reports whether ref is one of its own.
	Provides(ref string) bool
	// Ensure provides ref and reports what it does. handled is false when ref is not its own.
	Ensure(ctx context.Context, ref string, report func(detail string)) (handled bool, err error)
}

// ImageChecker is an [ImageProvider] that also knows when an image of its own is out of date.
type ImageChecker interface {
	// Outdated returns why image has to be provided anew, "" if it has not.
	Outdated(ref string, image ObservedImage) string
}

// reporter is a Progress that may be absent.
type reporter struct{ to Progress }

func (r reporter) step(op Operation) func(state StepState, detail string) {
	begin := time.Now()
	return func(state StepState, detail string) {
		if r.to == nil {
			return
		}
		r.to.Update(StepEvent{
			Kind: op.Kind, Name: op.Name, Action: op.Action,
			State: state, Detail: detail, Elapsed: time.Since(begin),
		})
	}
}
