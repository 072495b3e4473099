package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// remedy is what has to be done about an operation whose command was cut off.
type remedy uint8

const (
	remedyClose   remedy = iota // close the entry
	remedyAdmit                 // let the pool into the failover again, then close
	remedyRestore               // put what stood in the pool back, let it in again, then close
)

// remedyOf judges by how far the operation came and where traffic is now.
func remedyOf(op *Operation, active Pool) remedy {
	if !installs(op) {
		return remedyClose
	}
	if active == op.To && op.From != op.To {
		return remedyAdmit
	}
	switch op.Phase { //nolint:exhaustive // the phases in which the pool holds what is not verified
	case OpInstall, OpReady, OpProbe, OpKeep:
		return remedyRestore
	default:
		return remedyAdmit
	}
}

// installs reports whether the operation had begun to put a release into a pool.
// A rollback does so only when the standby no longer held what it goes back to.
func installs(op *Operation) bool {
	switch op.Phase { //nolint:exhaustive // a rollback that is a switch has none of these
	case OpSolo, OpDrain, OpInstall, OpReady, OpProbe, OpKeep, OpAdmit:
		return op.Kind == ActDeploy || op.Kind == ActRollback
	default:
		return op.Kind == ActDeploy
	}
}

// verified reports whether a deploy came past the last check of its release.
func verified(op *Operation) bool {
	switch op.Phase { //nolint:exhaustive // the phases after the last check
	case OpAdmit, OpRoute, OpVerify, OpEnv, OpClose:
		return true
	default:
		return false
	}
}

// settle says how a cut-off operation ended, judged by where traffic is now.
func settle(op *Operation, active Pool) string {
	cure := remedyOf(op, active)
	switch {
	case active == op.To && op.From != op.To:
		return "done (its command was cut off after the switch)"
	case cure == remedyClose:
		return "undone (its command was cut off before the switch)"
	case verified(op):
		return "staged (its command was cut off before the switch)"
	case cure == remedyAdmit:
		return fmt.Sprintf("undone (its command was cut off before %s was touched)", op.To)
	case cure == remedyRestore:
		return fmt.Sprintf("undone (its command was cut off; %s was put back into %s)", op.Before, op.To)
	}
	return "undone (its command was cut off before the switch)"
}

// Describe says in one line where an operation was cut off, and what the next command
// makes of it.
func Describe(op Operation, active Pool) string {
	ahead := settle(&op, active)
	if remedyOf(&op, active) == remedyRestore {
		ahead = fmt.Sprintf("half done: %s goes back into %s", op.Before, op.To)
	}
	return cutOff(op, active, ahead)
}

// cutOff names the operation, where it was cut off and how it ends.
func cutOff(op Operation, active Pool, end string) string {
	what := fmt.Sprintf("%s %s→%s", op.Kind, op.From, op.To)
	if op.New != nil && op.Kind == ActDeploy {
		what = fmt.Sprintf("deploy of %s to %s", op.New, op.To)
	}
	at := ""
	if op.Phase != "" && op.Kind == ActDeploy {
		at = fmt.Sprintf(" at the step %q", op.Phase)
	}
	return fmt.Sprintf("%s by %s@%s at %s was cut off%s: traffic is on %s, %s",
		what, op.By.User, op.By.Host, op.Started.Local().Format("15:04:05"), at, active, end)
}

// leftOver reports whether a cut-off deploy left something behind in pool.
func leftOver(d *Deployment, pool Pool) bool {
	if d.Router == nil {
		return false
	}
	op := d.Router.Unfinished
	return op != nil && op.To == pool && remedyOf(op, d.Active()) != remedyClose ||
		d.Router.Solo != nil && d.Router.Solo.Pool == pool && d.Router.Lock == nil
}

// lock takes the lock and settles what an earlier command left open.
func (r *run) lock(ctx context.Context) error {
	h := r.Holder
	h.What, h.Since = r.plan.Command, r.asked
	if err := r.router.Lock(ctx, h); err != nil {
		return err
	}
	st, err := r.router.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the proxy's state: %w", err)
	}
	r.foreign = st.Bake
	if err := r.settleBake(ctx, &st); err != nil {
		return err
	}
	if st.Unfinished == nil {
		if st.Solo != nil {
			return r.admit(ctx, Step{Pool: st.Solo.Pool})
		}
		return nil
	}
	return r.settleOperation(ctx, *st.Unfinished, st.Active)
}

// settleOperation finishes or undoes an operation whose command was cut off.
func (r *run) settleOperation(ctx context.Context, op Operation, active Pool) error {
	cure, result := remedyOf(&op, active), settle(&op, active)
	replaces := r.plan.Deploy != nil && r.plan.To == op.To && cure == remedyRestore
	if replaces {
		// What is half there is replaced anyway; what stood there before it is
		// still what has to come back should this one fail too.
		r.op.Before, cure = op.Before, remedyAdmit
		result = "undone (its command was cut off; the next deploy took its place)"
	}
	said := cutOff(op, active, result)
	if cure == remedyRestore {
		r.tell(fmt.Sprintf("a deploy was cut off: putting %s back into %s", op.Before, op.To))
		if err := r.restore(ctx, &op); err != nil {
			return fmt.Errorf("%s; but that failed: %w; put another release there: bgctl deploy IMAGE", said, err)
		}
	}
	if cure != remedyClose {
		if err := r.admit(ctx, Step{Pool: op.To}); err != nil {
			return err
		}
	}
	op.Finished, op.Result = r.Now(), result
	if err := r.router.Finish(ctx, op); err != nil {
		return fmt.Errorf("settle the operation that was cut off: %w", err)
	}
	r.outcome.Recovered, r.detail = said, said
	if cure == remedyRestore && r.plan.To == op.To && (r.plan.Action == ActSwitch || r.plan.Action == ActRollback) {
		return fmt.Errorf("%w: %s; run the command again to move traffic there", ErrChanged, said)
	}
	return nil
}

// restore puts back what stood in the pool before a deploy.
func (r *run) restore(ctx context.Context, op *Operation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackLimit+readyTimeout)
	defer cancel()
	if op.Before == nil {
		return r.empty(ctx, op.To)
	}
	if r.Install == nil {
		return errors.New("this bgctl cannot replace releases: no installer")
	}
	if err := r.Install.Install(ctx, op.To, *op.Before, r.tell); err != nil {
		return fmt.Errorf("put %s back into %s: %w", op.Before, op.To, err)
	}
	r.installed = r.Now()
	if op.Phase == OpKeep {
		if _, err := r.Install.Keep(ctx, op.To, *op.Before); err != nil {
			r.warn("the old image could not be kept in .env: " + err.Error())
		}
	}
	back, stop := context.WithTimeout(ctx, backTimeout)
	defer stop()
	if err := r.waitReady(back, op.To); err != nil {
		// It may not have been ready before either; users do not depend on it.
		r.warn(fmt.Sprintf("%s is back in %s, but not ready: %v", op.Before, op.To, err))
	}
	return nil
}

// empty stops the containers of a pool that had none before.
func (r *run) empty(ctx context.Context, pool Pool) error {
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range d.Pool(pool).Containers {
		errs = append(errs, r.Engine.Stop(ctx, c.ID))
	}
	return errors.Join(errs...)
}

// takeBack undoes a deploy that failed and adds to the cause what became of it.
func (r *run) takeBack(ctx context.Context, cause error) error {
	st, err := r.router.Status(ctx)
	if err != nil {
		return fmt.Errorf("%w; what became of it is unknown (%w): bgctl status", cause, err)
	}
	after := fmt.Sprintf("traffic stays on %s", st.Active)
	switch {
	case st.Active == r.op.To:
		after = fmt.Sprintf("traffic is on %s; undo: bgctl rollback", st.Active)
	case verified(&r.op):
		after += fmt.Sprintf(", and %s stands verified in %s; move traffic: bgctl switch %s", r.op.New, r.op.To, r.op.To)
	}
	cure := remedyOf(&r.op, st.Active)
	if cure == remedyRestore {
		r.tell(fmt.Sprintf("putting %s back into %s", r.op.Before, r.op.To))
		if err := r.restore(ctx, &r.op); err != nil {
			return fmt.Errorf("%w; %s, but %s holds a release that is not verified and is kept out of the failover (%w): bgctl deploy IMAGE", cause, after, r.op.To, err)
		}
		after += fmt.Sprintf(", and %s holds %s again", r.op.To, r.op.Before)
	}
	if err := r.admit(ctx, Step{Pool: r.op.To}); err != nil {
		return fmt.Errorf("%w; %s (%w)", cause, after, err)
	}
	if ill, ok := errors.AsType[*UnreadyError](cause); ok {
		ill.After = after
		return ill
	}
	return fmt.Errorf("%w; %s", cause, after)
}

// slack is how much longer a failed run may take to clean up.
func (r *run) slack() time.Duration {
	if r.plan.Deploy == nil {
		return 0
	}
	return takeBackLimit + readyTimeout
}

// settleBake ends the watching of a command that was cut off.
func (r *run) settleBake(ctx context.Context, st *RouterStatus) error {
	if st.Bake == nil || st.Bake.Live {
		return nil
	}
	b := *st.Bake
	if err := r.router.EndBake(ctx, b.Operation); err != nil {
		return fmt.Errorf("end the bake that was cut off: %w", err)
	}
	r.foreign = nil
	for _, op := range st.Moves {
		if op.ID != b.Operation {
			continue
		}
		op.Bake = &b
		op.Result = strings.TrimSuffix(op.Result, ".") + "; its bake was cut off"
		if err := r.router.Finish(ctx, op); err != nil {
			return fmt.Errorf("settle the bake that was cut off: %w", err)
		}
	}
	r.outcome.Recovered = fmt.Sprintf("the bake of %s by %s@%s was cut off: %s; its release stays", b.Pool, b.By.User, b.By.Host, &b.Verdict)
	return nil
}

// endForeignBake ends a bake that traffic was moved away from under.
func (r *run) endForeignBake(ctx context.Context) {
	if r.foreign == nil || r.foreign.Pool == r.plan.To {
		return
	}
	if err := r.router.EndBake(ctx, r.foreign.Operation); err != nil {
		r.warn("the bake's record could not be removed: " + err.Error())
	}
}
