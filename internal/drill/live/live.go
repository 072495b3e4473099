// Package live connects a drill to a running deployment: the watcher's output, its
// access log, the helper in its container. It measures and judges nothing.
package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/drill"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
)

// Deployment is a running deployment as a drill sees it.
type Deployment struct {
	Stack  *deployment.Stack
	Client *compose.Client
}

// Environment is what the running container of a role was given: what counts is what
// the containers run with, not what a file says by now. Nil: there is no container.
func (d *Deployment) Environment(ctx context.Context, role bluegreen.Role) (map[string]string, error) {
	list, err := d.Client.Containers(ctx, d.Stack.Project)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if deployment.ServiceRole(list[i].Service, list[i].Labels[deployment.RoleLabel]) == role {
			return list[i].Env, nil
		}
	}
	return nil, nil
}

// container returns the observed container of the watcher or the proxy.
func (d *Deployment) container(ctx context.Context, role bluegreen.Role) (string, error) {
	seen, err := d.Stack.Observe(ctx)
	if err != nil {
		return "", err
	}
	c := seen.Proxy
	if role == bluegreen.RoleWatcher {
		c = seen.Watcher
	}
	if c == nil || c.State != "running" {
		return "", fmt.Errorf("%w: the %s does not run", deployment.ErrNoStack, role)
	}
	return c.ID, nil
}

// Follow hands what the watcher prints from now on to deliver, until ctx ends. The
// watcher may restart meanwhile: its output goes on in the same log.
func (d *Deployment) Follow(ctx context.Context, deliver func(line []byte, at time.Time)) error {
	id, err := d.container(ctx, bluegreen.RoleWatcher)
	if err != nil {
		return err
	}
	opts := compose.LogsOptions{Follow: true, Tail: "0", Stdout: true, Timestamps: true}
	r, err := d.Client.Logs(ctx, id, opts)
	if err != nil {
		return err
	}
	go func() {
		var last time.Time
		for {
			last = pump(ctx, r, last, deliver)
			if r = d.again(ctx, id, last); r == nil {
				return
			}
		}
	}()
	return nil
}

// pump delivers the lines of r to its end and returns the time of the last one.
func pump(ctx context.Context, r *compose.LogReader, last time.Time, deliver func([]byte, time.Time)) time.Time {
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	defer func() { _ = r.Close() }() // read to its end, or given up
	for {
		line, err := r.Next()
		if err != nil {
			return last
		}
		if line.Time.After(last) {
			last = line.Time
			deliver(line.Text, time.Now())
		}
	}
}

// again opens the log after its end, nil when ctx has ended.
func (d *Deployment) again(ctx context.Context, id string, since time.Time) *compose.LogReader {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		opts := compose.LogsOptions{Follow: true, Since: since, Stdout: true, Timestamps: true}
		if r, err := d.Client.Logs(ctx, id, opts); err == nil {
			return r
		}
	}
}

// extractScript prints the lines that hold a text, also those that were rotated away
// meanwhile, oldest first.
const extractScript = `for f in "$2.2" "$2.1" "$2"; do [ -f "$f" ] && grep -aF -- "$1" "$f"; done; true`

// extractMax bounds what is read back, about 100,000 requests.
const extractMax = 48 << 20

// Extract implements the seam of [drill.Deps].
func (d *Deployment) Extract(ctx context.Context, text string) (drill.Extract, error) {
	seen, err := d.Stack.Observe(ctx)
	if err != nil {
		return drill.Extract{}, err
	}
	if seen.Proxy == nil || seen.Proxy.State != "running" {
		return drill.Extract{}, errors.New("the proxy does not run")
	}
	cmd := []string{"sh", "-c", extractScript, "bgctl-drill", text, proxy.AccessLog}
	stream, err := d.Client.ExecStream(ctx, seen.Proxy.ID, compose.ExecOptions{Cmd: cmd})
	if err != nil {
		return drill.Extract{}, fmt.Errorf("search the access log: %w", err)
	}
	defer func() { _ = stream.Close() }() // read to its end
	lines, err := io.ReadAll(io.LimitReader(stream.Stdout, extractMax))
	if err != nil {
		return drill.Extract{}, fmt.Errorf("search the access log: %w", err)
	}
	if len(lines) == extractMax {
		return drill.Extract{}, errors.New("the drill wrote more lines than are read back; use a lower --rate")
	}
	addrs := logstream.NewAddrMap()
	for _, pool := range bluegreen.Pools() {
		for _, c := range seen.Pool(pool).Containers {
			addrs.Set(pool, c.Addrs...)
		}
	}
	return drill.ReadExtract(string(lines), addrs), nil
}

// Outpost starts the helper in the watcher's container. Its connection outlives ctx,
// for it has to be told to end; a drill that dies closes it.
func (d *Deployment) Outpost(ctx context.Context, mode outpost.Mode, told func(outpost.Message)) (drill.Outpost, error) {
	id, err := d.container(ctx, bluegreen.RoleWatcher)
	if err != nil {
		return nil, err
	}
	cmd := []string{"/bgctl", "agent", "drill-receiver", "--mode", string(mode)}
	stream, err := d.Client.ExecStream(context.WithoutCancel(ctx), id, compose.ExecOptions{Cmd: cmd})
	if err != nil {
		return nil, fmt.Errorf("start the drill's helper: %w", err)
	}
	c, err := outpost.Dial(ctx, &conn{stream}, told)
	if err != nil {
		if said := stream.Stderr(); len(said) > 0 {
			err = fmt.Errorf("%w (%.200s)", err, said)
		}
		return nil, err
	}
	return c, nil
}

// conn is an exec stream as a connection.
type conn struct{ *compose.Stream }

// Read implements io.Reader.
func (c *conn) Read(p []byte) (int, error) { return c.Stdout.Read(p) }

// Write implements io.Writer.
func (c *conn) Write(p []byte) (int, error) { return c.Stdin.Write(p) }
