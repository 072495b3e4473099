package deployment

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/logstream"
)

// Output is the standard output of a container, as a [logstream.Engine].
type Output struct {
	Client  *compose.Client
	Project string
	// Name is a service of the project, or else a container's name or ID; "" means
	// the proxy.
	Name string
}

var _ logstream.Engine = (*Output)(nil)

// Find implements [logstream.Engine]. Among several containers of a service it
// takes one that runs, and of those the youngest.
func (o *Output) Find(ctx context.Context) (logstream.Container, error) {
	list, err := o.Client.Containers(ctx, o.Project)
	if err != nil {
		return logstream.Container{}, err
	}
	var found *compose.Container
	for i := range list {
		if one := &list[i]; o.means(one) && (found == nil || better(one, found)) {
			found = one
		}
	}
	if found != nil {
		return o.translate(found), nil
	}
	if o.Name == "" {
		return logstream.Container{}, fmt.Errorf("project %q has no proxy: %w", o.Project, logstream.ErrNoContainer)
	}
	one, err := o.Client.Container(ctx, o.Name)
	if errors.Is(err, compose.ErrNotFound) {
		return logstream.Container{}, fmt.Errorf("project %q has no service %q, and the engine no container of that name: %w",
			o.Project, o.Name, logstream.ErrNoContainer)
	}
	if err != nil {
		return logstream.Container{}, err
	}
	return o.translate(&one), nil
}

func (o *Output) means(c *compose.Container) bool {
	if o.Name == "" {
		return role(c) == bluegreen.RoleProxy
	}
	return c.Service == o.Name
}

func better(a, b *compose.Container) bool {
	if (a.State == "running") != (b.State == "running") {
		return a.State == "running"
	}
	return a.StartedAt.After(b.StartedAt)
}

func (o *Output) translate(c *compose.Container) logstream.Container {
	return logstream.Container{
		ID: c.ID, Name: c.Name, State: c.State, Started: c.StartedAt,
		Driver: c.LogDriver, Options: c.LogOptions, Engine: o.Client.Info().ServerVersion,
	}
}

// Output implements [logstream.Engine].
func (o *Output) Output(ctx context.Context, req logstream.OutputRequest) (logstream.Output, error) {
	opts := compose.LogsOptions{Stdout: true, Timestamps: true, Follow: req.Follow}
	if req.Last >= 0 {
		opts.Tail = strconv.Itoa(req.Last)
	}
	if req.Since != 0 {
		opts.Since = time.Unix(0, req.Since)
	}
	r, err := o.Client.Logs(ctx, req.ID, opts)
	switch {
	case errors.Is(err, compose.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", logstream.ErrNoContainer, err)
	case errors.Is(err, compose.ErrUnreadable):
		return nil, fmt.Errorf("%w: %w; give the container the log driver json-file or local", logstream.ErrNoOutput, err)
	case err != nil:
		return nil, err
	}
	return outputReader{r}, nil
}

// outputReader yields the lines of a container's log.
type outputReader struct{ *compose.LogReader }

// Next implements [logstream.Output].
func (r outputReader) Next() (logstream.OutputLine, error) {
	line, err := r.LogReader.Next()
	if err != nil {
		return logstream.OutputLine{}, err
	}
	out := logstream.OutputLine{Time: line.Time.UnixNano(), Text: line.Text}
	switch line.End {
	case compose.EndNewline:
	case compose.EndRestamped:
		out.End = logstream.EndRestart
	case compose.EndStream:
		out.End = logstream.EndOfStream
	}
	return out, nil
}
