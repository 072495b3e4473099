package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The steps that move traffic and measure what that costs.
const (
	OpMeter   StepOp = "meter"   // start clients that hold connections across the switch
	OpRoute   StepOp = "route"   // rename the flag file
	OpVerify  StepOp = "verify"  // the proxy answers from the new pool
	OpEnv     StepOp = "env"     // keep .env in step
	OpReceipt StepOp = "receipt" // end the measurement
)

// meter starts the clients of the receipt. They connect while the steps that follow run;
// route waits for them.
type meter struct{ from, to Pool }

func meterStep(from, to Pool) Step {
	return Step{
		Op: OpMeter, Pool: to, act: meter{from, to},
		Text: "start clients that hold connections across the switch",
	}
}

func (s meter) do(ctx context.Context, r *run) error {
	if r.Meter == nil {
		r.detail = "nothing is measured"
		return nil
	}
	r.measuring = r.Meter.Start(ctx, s.from, s.to)
	return nil
}

// stopMeter ends a measurement that no receipt is wanted of.
func (r *run) stopMeter(ctx context.Context) {
	if r.measuring == nil {
		return
	}
	m := r.measuring
	r.measuring = nil
	receipt := m.Finish(ctx, r.Now())
	if !r.moved.IsZero() && r.outcome.Receipt == nil {
		r.outcome.Receipt, r.op.Receipt = &receipt, &receipt
	}
}

// since is the moment that the figures of a switch count from: when the user asked, or when
// a release that took its time began to get traffic.
func (r *run) since() time.Time {
	if r.phased {
		return r.routed
	}
	return r.asked
}

// route moves traffic.
type route struct{ from, to Pool }

func routeStep(from, to Pool) Step {
	return Step{
		Op: OpRoute, Pool: to, act: route{from, to},
		Text: fmt.Sprintf("rename active/%s to active/%s in the proxy (no reload)", from, to),
	}
}

func (s route) do(ctx context.Context, r *run) error {
	if r.measuring != nil {
		r.measuring.Ready(ctx)
	}
	r.routed, r.moved = r.Now(), time.Time{}
	if err := r.router.Route(ctx, s.to); err != nil {
		return fmt.Errorf("rename the flag file: %w", err)
	}
	r.moved = r.Now()
	if !r.phased {
		r.detail = fmt.Sprintf("%.0f ms after the command", ms(r.moved.Sub(r.asked)))
	}
	return nil
}

// verifyLimit bounds how long a switch is given to show.
const verifyLimit = 5 * time.Second

// verify asks for the health path as users' requests go, until the answer comes from the
// containers of the pool.
type verify struct{ pool Pool }

func verifyStep(pool Pool) Step {
	return Step{
		Op: OpVerify, Pool: pool, act: verify{pool},
		Text: fmt.Sprintf("verify on fresh connections that %s answers", pool),
	}
}

func (verify) persists() {}

func (s verify) do(ctx context.Context, r *run) error {
	err := r.until(ctx, verifyLimit, func() (bool, error) { return false, s.look(ctx, r) })
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// look asks once.
func (s verify) look(ctx context.Context, r *run) error {
	routing, err := r.router.Verify(ctx)
	if err != nil {
		return err
	}
	if routing.Active != s.pool {
		return fmt.Errorf("nginx still sends traffic to %s although the flag says %s; look at it: bgctl status", routing.Active, s.pool)
	}
	if routing.Answer == nil {
		return nil // an older agent asks nginx alone
	}
	if bad := probeFault(routing.Answer, r.seen.Pool(s.pool)); bad != "" {
		return errors.New(bad)
	}
	return nil
}

// env keeps .env in step. Traffic has moved already, so that a file which cannot
// be written is a warning.
type env struct{ pool Pool }

func envStep(pool Pool) Step {
	return Step{Op: OpEnv, Pool: pool, Text: "keep ACTIVE_POOL in .env in step", act: env{pool}}
}

func (env) persists() {}

func (s env) do(ctx context.Context, r *run) error {
	if r.SaveEnv == nil {
		r.detail = "no .env here"
		return nil
	}
	if err := r.SaveEnv(ctx, s.pool); err != nil {
		r.warn(fmt.Sprintf("traffic moved, but ACTIVE_POOL could not be written: %v", err))
	}
	return nil
}

// receipt ends the measurement.
type receipt struct{ pool Pool }

func receiptStep(pool Pool) Step {
	return Step{Op: OpReceipt, Pool: pool, Text: "count what the switch cost the clients", act: receipt{pool}}
}

func (receipt) persists() {}

func (receipt) do(ctx context.Context, r *run) error {
	if r.measuring == nil {
		return nil
	}
	total := r.Now().Sub(r.since())
	m := r.measuring
	r.measuring = nil
	out := m.Finish(ctx, r.moved)
	out.Total = ms(total)
	r.outcome.Receipt, r.op.Receipt = &out, &out
	return nil
}
