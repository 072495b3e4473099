package compose

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/docker/docker/api/types/events"
)

// System is what an engine says of itself and its host.
type System struct {
	Now      time.Time     // the engine's clock
	Off      time.Duration // how far it is ahead of this machine's
	Trip     time.Duration // how long the answer took: Off is known no closer
	DataRoot string        // where images, containers and volumes are, on the engine's host
	OS       string        // for example Debian GNU/Linux 12
	Kernel   string
	Warnings []string // the engine's own. Foreign.
}

// System asks the engine about itself.
func (c *Client) System(ctx context.Context) (System, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	asked := time.Now()
	info, err := c.api.Info(ctx)
	if err != nil {
		return System{}, c.wrap("ask the engine about itself", err)
	}
	s := System{
		Trip: time.Since(asked), DataRoot: info.DockerRootDir, OS: info.OperatingSystem,
		Kernel: info.KernelVersion, Warnings: info.Warnings,
	}
	// Podman leaves the time out.
	if s.Now = engineTime(info.SystemTime); !s.Now.IsZero() {
		s.Off = s.Now.Sub(asked.Add(s.Trip / 2))
	}
	return s, nil
}

// PastEvents returns what the engine still remembers of one action on the project's
// containers; it keeps its newest 256 events of all kinds.
func (c *Client) PastEvents(ctx context.Context, project, action string, since time.Time) ([]Event, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	args := projectFilter(project)
	args.Add("type", string(EventContainer))
	args.Add("event", action)
	messages, errs := c.api.Events(ctx, events.ListOptions{
		Since: since.Format(time.RFC3339Nano), Until: time.Now().Format(time.RFC3339Nano), Filters: args,
	})
	var out []Event
	for {
		select {
		case m := <-messages:
			out = append(out, eventFrom(m))
		case err := <-errs:
			if err == nil || errors.Is(err, io.EOF) {
				return out, nil
			}
			return out, c.wrap("read the engine's past events", err)
		}
	}
}
