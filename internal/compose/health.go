package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

const (
	pollInterval = 100 * time.Millisecond // docker compose takes 500 ms, which every dependency costs
	waitLimit    = 5 * time.Minute
	checkTimeout = 30 * time.Second // the engine's default for a health check
	logTailLines = "10"
)

// waitFor polls a container until it meets a condition of depends_on.
//
// What depends on a healthy container does not wait for the engine's first check, which
// comes an interval after the start (start_interval needs Docker Engine 25): the same
// command is run at once and again until it succeeds. The engine alone says what is unhealthy.
func (c *Client) waitFor(ctx context.Context, name, condition string, limit time.Duration) error {
	if limit == 0 {
		limit = waitLimit
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	early := condition != types.ServiceConditionCompletedSuccessfully
	for {
		info, err := c.api.ContainerInspect(bounded, name)
		switch {
		case err == nil:
			if met, reason := judge(info, condition); met {
				return nil
			} else if reason != "" {
				return c.unhealthy(ctx, info, reason)
			}
			if early && c.passesCheck(bounded, info) {
				return nil
			}
		case bounded.Err() == nil:
			return c.wrap("inspect container "+name, err)
		}
		select {
		case <-ticker.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("wait for container %s: %w", name, ctx.Err())
			}
			return c.unhealthy(ctx, info, fmt.Sprintf("is not %s after %s", shortCondition(condition), limit))
		}
	}
}

// passesCheck runs the health check of a container that the engine has not judged yet.
func (c *Client) passesCheck(ctx context.Context, info container.InspectResponse) bool {
	if info.Config == nil || info.State == nil || info.State.Health == nil ||
		info.State.Health.Status != container.Starting && !stopped(info.State.Health) {
		return false
	}
	command := checkCommand(info.Config)
	if len(command) == 0 {
		return false
	}
	timeout := info.Config.Healthcheck.Timeout
	if timeout <= 0 {
		timeout = checkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// An error leaves it to the engine, as a failed check does.
	result, err := c.Exec(ctx, info.ID, ExecOptions{Cmd: command})
	return err == nil && result.ExitCode == 0
}

// checkCommand is the argument list of a container's health check, nil without one.
func checkCommand(config *container.Config) []string {
	if config.Healthcheck == nil || len(config.Healthcheck.Test) < 2 {
		return nil
	}
	switch test := config.Healthcheck.Test; test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		shell := []string(config.Shell)
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clone(shell), test[1])
	}
	return nil
}

// judge tells whether a container meets a condition, or why it never will.
func judge(info container.InspectResponse, condition string) (met bool, reason string) {
	if info.ContainerJSONBase == nil || info.State == nil {
		return false, ""
	}
	state := info.State
	exited := state.Status == container.StateExited || state.Status == container.StateDead
	if condition == conditionSteady {
		if exited || state.Restarting {
			return false, fmt.Sprintf("exited with code %d", state.ExitCode)
		}
		if info.RestartCount > 0 {
			return false, "ends and is restarted again and again"
		}
		condition = conditionRunning
	}
	if condition == types.ServiceConditionCompletedSuccessfully {
		switch {
		case exited && state.ExitCode == 0:
			return true, ""
		case exited:
			return false, fmt.Sprintf("did not complete: exit code %d", state.ExitCode)
		}
		return false, ""
	}
	switch {
	case exited && condition == conditionRunning && state.ExitCode == 0 && isJob(info.HostConfig):
		return true, ""
	case exited:
		return false, fmt.Sprintf("exited with code %d", state.ExitCode)
	case state.Paused:
		// The engine keeps the last health of a paused container.
		return false, "is paused"
	case state.Health == nil || state.Health.Status == container.NoHealthcheck:
		if condition == conditionRunning {
			return state.Running && !state.Restarting, ""
		}
		return false, "has no health check, but others wait for it to be healthy"
	case state.Health.Status == container.Unhealthy && !stopped(state.Health):
		return false, "is unhealthy"
	}
	return state.Health.Status == container.Healthy, ""
}

// isJob tells whether a container may end: no restart policy starts it again after that.
func isJob(host *container.HostConfig) bool {
	if host == nil {
		return false
	}
	policy := host.RestartPolicy
	return policy.IsNone() || policy.IsOnFailure()
}

func shortCondition(condition string) string {
	switch condition {
	case types.ServiceConditionHealthy:
		return "healthy"
	case types.ServiceConditionCompletedSuccessfully:
		return "finished"
	default:
		return "running"
	}
}

// unhealthy collects what explains the failure: the last check and the end of the log.
func (c *Client) unhealthy(ctx context.Context, info container.InspectResponse, reason string) error {
	out := &UnhealthyError{Reason: reason}
	if info.ContainerJSONBase == nil {
		return out
	}
	out.Container = info.Name[min(1, len(info.Name)):]
	if info.State != nil && info.State.Health != nil {
		if log := info.State.Health.Log; len(log) > 0 {
			out.Output = log[len(log)-1].Output
		}
	}
	// Without its log the error is poorer, not wrong.
	out.Log, _ = c.endOfLog(ctx, info)
	return out
}

func (c *Client) endOfLog(ctx context.Context, info container.InspectResponse) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := c.api.ContainerLogs(ctx, info.ID, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: logTailLines,
	})
	if err != nil {
		return "", c.wrap("read the log of "+info.Name, err)
	}
	defer stream.Close() //nolint:errcheck // only read
	var text limitedText
	if info.Config != nil && info.Config.Tty {
		_, err = io.Copy(&text, stream)
	} else {
		_, err = stdcopy.StdCopy(&text, &text, stream)
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return string(text), err
}

var errEnough = errors.New("enough")

// limitedText keeps 8 KiB: ten lines of a log may be very long.
type limitedText []byte

func (t *limitedText) Write(p []byte) (int, error) {
	room := 8<<10 - len(*t)
	if room <= 0 {
		return 0, errEnough
	}
	*t = append(*t, p[:min(room, len(p))]...)
	return len(p), nil
}
