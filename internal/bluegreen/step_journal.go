package bluegreen

import (
	"context"
	"fmt"
)

// The steps that write the journal.
const (
	OpJournal StepOp = "journal" // record the operation before acting
	OpClose   StepOp = "close"   // close the journal entry
)

// entry opens a journal entry. What its operation has in common with the run, who and
// when, is added as the step is done.
type entry struct {
	op     Operation
	phased bool // steps are written down before they begin: what undoes them depends on it
}

func journalStep(op Operation, phased phasing) Step {
	return Step{
		Op: OpJournal, Pool: op.To, Text: "write the operation to the journal",
		act: entry{op: op, phased: phased == byStep},
	}
}

// phasing says how an entry follows its operation.
type phasing uint8

const (
	asWhole phasing = iota
	byStep          // each step is noted before it begins
)

func (s entry) do(ctx context.Context, r *run) error {
	op := s.op
	r.entries++
	op.ID = fmt.Sprintf("%s-%d-%d", r.plan.Action, r.asked.UnixMilli(), r.Holder.PID)
	if r.entries > 1 {
		op.ID += fmt.Sprintf("-%d", r.entries)
	}
	op.Kind, op.By, op.Started, op.Phase = r.plan.Action, r.holder(), r.asked, OpJournal
	if r.entries > 1 {
		op.Started = r.Now()
	}
	if rel, ok := r.release[op.To]; ok && op.New != nil {
		op.New = &rel
	}
	if err := r.router.Begin(ctx, op); err != nil {
		return fmt.Errorf("write the journal: %w; traffic stays on %s", err, op.From)
	}
	r.op, r.open, r.phased = op, true, s.phased
	return nil
}

// closing closes the entry of an operation that is done, and says so.
type closing struct {
	say    func(r *run) string
	ending Ending
}

func closeStep(pool Pool, say func(r *run) string) Step {
	return Step{Op: OpClose, Pool: pool, Text: "close the journal entry", act: closing{say, EndDone}}
}

func (closing) persists() {}

func (s closing) do(ctx context.Context, r *run) error {
	r.op.Finished, r.op.Ending, r.op.Phase = r.Now(), s.ending, ""
	r.op.Result = string(r.op.Ending)
	if err := r.insist(ctx, func() error { return r.router.Finish(ctx, r.op) }); err != nil {
		r.warn("the journal entry could not be closed: " + err.Error())
	}
	r.open, r.ending = false, false
	r.outcome.Message = s.say(r)
	r.endForeignBake(ctx)
	return nil
}

// endForeignBake ends the watching of a pool that traffic was moved away from.
func (r *run) endForeignBake(ctx context.Context) {
	b := r.status.Bake
	if b == nil || !b.Live || b.Pool == r.op.To || r.op.From == r.op.To || r.op.Staged {
		return
	}
	if err := r.router.EndBake(ctx, b.Operation); err != nil {
		r.warn("the bake's record could not be removed: " + err.Error())
	}
}

// sayMoved is the outcome of moving traffic.
func sayMoved(r *run) string {
	return fmt.Sprintf("traffic: %s → %s in %.0f ms", r.op.From, r.op.To, ms(r.moved.Sub(r.since())))
}

// sayBack is the outcome of going back.
func sayBack(r *run) string {
	if r.op.New == nil {
		return sayMoved(r)
	}
	return fmt.Sprintf("back on %s; %s", r.op.New, sayMoved(r))
}

// sayDeployed is the outcome of a release that takes traffic now.
func sayDeployed(r *run) string {
	return fmt.Sprintf("%s takes traffic after %s; %s", r.op.New, r.age(r.asked), sayMoved(r))
}

// sayStaged is the outcome of a release that waits for traffic.
func sayStaged(r *run) string {
	return fmt.Sprintf("%s stands in %s, ready in %s; traffic stays on %s; move it: bgctl switch %s",
		r.op.New, r.op.To, r.age(r.asked), r.op.From, r.op.To)
}
