package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// leftovers names what commands that were cut off left behind. A plan is made for
// exactly these; when others are there, the plan is made anew.
type leftovers struct {
	operation string
	phase     StepOp
	bake      string
	solo      Pool
}

// leftOf reads them from the proxy's state.
func leftOf(st *RouterStatus) leftovers {
	var l leftovers
	if op := st.Unfinished; op != nil {
		l.operation, l.phase = op.ID, op.Phase
	}
	if b := st.Bake; b != nil && !b.Live {
		l.bake = b.Operation
	}
	if st.Solo != nil && st.Lock == nil {
		l.solo = st.Solo.Pool
	}
	return l
}

// lastOf names the newest operation in the journal, "" when there is none.
func lastOf(st *RouterStatus) string {
	if st.Last == nil {
		return ""
	}
	return st.Last.ID
}

// cure is what has to be done about an operation that ended in its middle.
type cure uint8

const (
	cureClose   cure = iota // close the entry
	cureAdmit               // let the pool into the failover again, then close
	cureRestore             // put what stood in the pool back, let it in again, then close
)

// way is how an operation that ended in its middle is ended.
type way struct {
	cure   cure
	ending Ending
	moved  bool // traffic is where the operation meant to move it
}

// recoverOperation judges by how far the operation came and where traffic is now.
func recoverOperation(op *Operation, d *Deployment) way {
	w := way{moved: d.Active() == op.To && op.From != op.To, ending: EndUndone}
	if w.moved {
		w.ending = EndDone
	}
	switch op.Phase { //nolint:exhaustive // of the other steps nothing is left
	case OpSolo, OpDrain:
		w.cure = cureAdmit
	case OpInstall, OpReady, OpProbe, OpKeep:
		w.cure = cureRestore
	case OpAdmit, OpMeter, OpRoute, OpVerify, OpEnv, OpReceipt, OpClose:
		w.cure = cureAdmit
		if !w.moved {
			w.ending = EndStaged
		}
	default:
		if op.Kind == ActDeploy {
			w.cure = cureAdmit // an older command keeps the pool out before it says so
		}
		if !w.moved && (op.Kind == ActUp || op.Kind == ActRestart || op.Kind == ActChaos || op.Kind == ActHeal) {
			w.ending = EndFailed // some of it may be done, and nothing of it is undone
		}
	}
	if w.moved && w.cure == cureRestore {
		w.cure = cureAdmit
	}
	return w
}

// failure is why an operation is ended by its own command.
type failure struct {
	cause error // nil: by a later command
	after string
}

// steps lists what ends the operation.
func (w way) steps(op *Operation, f failure) []Step {
	var steps []Step
	if w.cure == cureRestore {
		steps = append(steps, restoreStep(op.To, op.Before), backStep(op.To))
	}
	if w.cure != cureClose {
		steps = append(steps, admitStep(op.To, op.From))
	}
	return append(steps, settleStep(op, w, f))
}

// after says where things stand when the steps are done.
func (w way) after(op *Operation, active Pool) string {
	at := fmt.Sprintf("traffic stays on %s", active)
	switch {
	case w.moved:
		return fmt.Sprintf("traffic is on %s; undo: bgctl rollback", active)
	case w.ending == EndStaged:
		return fmt.Sprintf("%s, and %s stands verified in %s; move traffic: bgctl switch %s", at, op.New, op.To, op.To)
	case w.cure == cureRestore:
		return fmt.Sprintf("%s, and %s holds %s again", at, op.To, op.Before)
	}
	return at
}

// result is the ending in words, when a later command brings it about.
func (w way) result(op *Operation) string {
	switch {
	case w.moved:
		return "done (its command was cut off after the switch)"
	case w.ending == EndStaged:
		return "staged (its command was cut off before the switch)"
	case w.ending == EndFailed:
		return "failed (its command was cut off)"
	case w.cure == cureAdmit:
		return fmt.Sprintf("undone (its command was cut off before %s was touched)", op.To)
	case w.cure == cureRestore:
		return fmt.Sprintf("undone (its command was cut off; %s was put back into %s)", op.Before, op.To)
	}
	return "undone (its command was cut off before the switch)"
}

// Describe says in one line where an operation was cut off, and how the next command
// ends it.
func Describe(op Operation, active Pool) string {
	w := recoverOperation(&op, &Deployment{Router: &RouterStatus{Active: active}})
	end := w.result(&op)
	if w.cure == cureRestore {
		end = fmt.Sprintf("half done: %s goes back into %s", op.Before, op.To)
	}
	return cutOff(&op, active, end)
}

// cutOff names the operation, where it was cut off and how it ends.
func cutOff(op *Operation, active Pool, end string) string {
	what := fmt.Sprintf("%s %s→%s", op.Kind, op.From, op.To)
	if op.New != nil && op.Before != nil {
		what = fmt.Sprintf("%s of %s to %s", op.Kind, op.New, op.To)
	}
	at := ""
	if op.Phase != "" && op.Phase != OpJournal {
		at = fmt.Sprintf(" at the step %q", op.Phase)
	}
	return fmt.Sprintf("%s by %s@%s at %s was cut off%s: traffic is on %s, %s",
		what, op.By.User, op.By.Host, op.Started.Local().Format("15:04:05"), at, active, end)
}

// recover begins a plan: the lock, and then the end of what commands before it left in
// their middle. A release is put back unless the plan replaces what stands in its pool,
// which it says by superseding that pool; what the pool held before is returned then.
func (p *Plan) recover(d *Deployment, superseding Pool) (before *Release) {
	p.add(lockStep())
	if d.Router == nil {
		return nil
	}
	p.left, p.last = leftOf(d.Router), lastOf(d.Router)
	if b := d.Router.Bake; b != nil && !b.Live {
		p.add(endBakeStep(b, d.Router.Moves))
		p.Recovers = append(p.Recovers, bakeCutOff(b))
	}
	op := d.Router.Unfinished
	if op == nil {
		if solo := p.left.solo; solo != NoPool {
			p.add(admitStep(solo, solo.Other()))
		}
		return nil
	}
	w := recoverOperation(op, d)
	result := w.result(op)
	if w.cure == cureRestore && op.To == superseding && op.Before != nil {
		// What is half there is replaced anyway, and the pool stays out of the failover.
		w.cure, result = cureClose, "undone (its command was cut off; the next one took its place)"
		before = op.Before
		p.add(supersedeStep(op, result))
	} else {
		p.add(w.steps(op, failure{})...)
	}
	p.Recovers = append(p.Recovers, cutOff(op, d.Active(), result))
	return before
}

// recovered is the deployment as it is when what was cut off has been ended: plans are
// gated on that. A pool that gets its old release back counts as ready; the steps that put
// it back wait for it, and whoever sends users there asks it first.
func recovered(d *Deployment) *Deployment {
	if d.Router == nil || d.Router.Unfinished == nil {
		return d
	}
	op := d.Router.Unfinished
	if w := recoverOperation(op, d); w.cure != cureRestore || op.Before == nil {
		return d
	}
	out := *d
	ps := out.Pool(op.To)
	ps.Answer = nil
	ps.Containers = slices.Clone(ps.Containers)
	for i := range ps.Containers {
		c := &ps.Containers[i]
		c.Image, c.ImageID, c.Release = op.Before.Image, op.Before.ImageID, op.Before.ID
		c.State, c.Health, c.Restarts = "running", "", 0
	}
	return &out
}

// PlanRecover plans nothing but the end of what commands that were cut off left in their
// middle. The plan is empty when there is nothing of that kind.
func PlanRecover(d *Deployment) Plan {
	p := Plan{Action: ActHeal, Project: d.Project, From: d.Active(), To: d.Active().Other()}
	if d.Router == nil || leftOf(d.Router) == (leftovers{}) {
		return p
	}
	if op := d.Router.Unfinished; op != nil && op.To != NoPool {
		p.To = op.To
	}
	p.Command = "bgctl heal " + p.To.String()
	p.recover(d, NoPool)
	return p
}

// leftIn reports whether a cut-off command left something behind in pool.
func leftIn(d *Deployment, pool Pool) bool {
	if d.Router == nil {
		return false
	}
	l := leftOf(d.Router)
	op := d.Router.Unfinished
	return op != nil && (op.To == pool || op.To == NoPool) || l.solo == pool || l.bake != "" && d.Router.Bake.Pool == pool
}

// OpSettle ends the journal entry of an operation that ended in its middle.
const OpSettle StepOp = "settle"

// settle closes an entry with what became of the operation.
type settle struct {
	op  Operation
	way way
	failure
}

func settleStep(op *Operation, w way, f failure) Step {
	text := fmt.Sprintf("note in the journal that the %s by %s@%s ended %s", op.Kind, op.By.User, op.By.Host, w.ending)
	return Step{Op: OpSettle, Pool: op.To, Text: text, act: settle{*op, w, f}}
}

// supersedeStep closes the entry of an operation whose place the plan takes.
func supersedeStep(op *Operation, result string) Step {
	ended := *op
	ended.Result = result
	s := settleStep(&ended, way{ending: EndUndone}, failure{})
	s.Text = fmt.Sprintf("take the place of the %s that was cut off; %s is what comes back should this one fail", op.Kind, op.Before)
	return s
}

func (s settle) persists() {}

func (s settle) do(ctx context.Context, r *run) error {
	op, active := s.op, r.status.Active
	if st, err := r.router.Status(ctx); err == nil {
		active = st.Active
	}
	op.Finished, op.Ending, op.Cut, op.Phase, op.Drain = r.Now(), s.way.ending, s.cause == nil, "", nil
	if s.cause != nil && op.Ending == EndUndone {
		op.Ending = EndFailed
	}
	switch {
	case s.cause == nil && op.Result == "":
		op.Result = s.way.result(&op)
	case s.cause != nil && s.way.moved:
		op.Result = "done, but: " + s.cause.Error()
	case s.cause != nil:
		op.Result = string(op.Ending) + ": " + s.cause.Error()
	}
	if err := r.router.Finish(ctx, op); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if s.cause != nil {
		r.open = false
	} else {
		r.detail = cutOff(&s.op, active, op.Result)
		r.outcome.Recovered = join(r.outcome.Recovered, r.detail)
	}
	return nil
}

// join joins two sentences.
func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// OpEndBake ends the record of a bake whose command was cut off.
const OpEndBake StepOp = "end-bake"

// endBake removes the record and notes the verdict beside the deploy's entry.
type endBake struct {
	bake  Bake
	moves []Operation
}

func endBakeStep(b *Bake, moves []Operation) Step {
	return Step{
		Op: OpEndBake, Pool: b.Pool, act: endBake{*b, moves},
		Text: fmt.Sprintf("end the bake of %s that was cut off; its release stays", b.Pool),
	}
}

func (s endBake) persists() {}

func (s endBake) do(ctx context.Context, r *run) error {
	for _, op := range s.moves {
		if op.ID != s.bake.Operation {
			continue
		}
		op.Bake = &s.bake
		op.Result += "; its bake was cut off"
		if err := r.router.Finish(ctx, op); err != nil {
			return fmt.Errorf("note the end of the bake that was cut off: %w", err)
		}
	}
	if err := r.router.EndBake(ctx, s.bake.Operation); err != nil {
		return fmt.Errorf("end the bake that was cut off: %w", err)
	}
	r.outcome.Recovered = join(r.outcome.Recovered, bakeCutOff(&s.bake))
	return nil
}

// bakeCutOff says what becomes of a bake whose command was cut off.
func bakeCutOff(b *Bake) string {
	return fmt.Sprintf("the bake of %s by %s@%s was cut off: %s; its release stays", b.Pool, b.By.User, b.By.Host, &b.Verdict)
}

// UnreadyError says why a new release did not become ready. Output and Log are
// foreign text: sanitise them before showing them.
type UnreadyError struct {
	Pool      Pool
	Reason    string
	Container string // the container that shows it, "" when there is none
	Output    string // what its last health check printed
	Log       string // the end of its log
	After     string // what became of it
}

// Error is one line; Output and Log are for the caller to show.
func (e *UnreadyError) Error() string {
	msg := fmt.Sprintf("%s did not become ready: %s", e.Pool, e.Reason)
	if e.After != "" {
		msg += "; " + e.After
	}
	return msg
}

// unready collects what explains why a release did not become ready.
func (r *run) unready(ctx context.Context, pool Pool, cause error) error {
	if err := r.patience(); err != nil {
		return err
	}
	out := &UnreadyError{Pool: pool, Reason: cause.Error()}
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	d, err := r.observe(ctx)
	if err != nil || r.Install == nil {
		return out // poorer, not wrong
	}
	for _, c := range d.Pool(pool).Containers {
		if !c.Ready() || out.Container == "" {
			out.Container, out.Output, out.Log = c.Name, c.HealthLog, r.Install.LastWords(ctx, c.ID)
		}
	}
	return out
}

// errNoInstaller is a controller that cannot do what its plan says.
var errNoInstaller = errors.New("this bgctl cannot replace releases: it has no installer")

// age is how long ago a moment was.
func (r *run) age(t time.Time) time.Duration { return r.Now().Sub(t).Round(10 * time.Millisecond) }
