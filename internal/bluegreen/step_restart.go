package bluegreen

import "context"

// OpRestart restarts a container.
const OpRestart StepOp = "restart"

// restart restarts one container.
type restart struct{ id string }

func restartStep(pool Pool, c *Container) Step {
	return Step{Op: OpRestart, Pool: pool, Container: c.ID, Text: "restart " + c.Name, act: restart{c.ID}}
}

func (s restart) do(ctx context.Context, r *run) error { return r.Engine.Restart(ctx, s.id) }
