// Package compose runs a compose project on a Docker engine: it loads the
// project, converges containers, networks, volumes and images to it, and gives
// access to what runs (state, exec, logs, events, statistics).
//
// It knows services, not pools. What it creates carries the labels and the
// config hash of docker compose, so that either tool can take over from the
// other. An attribute that it does not implement is an error that names it.
//
// Text that comes from the engine or from a container (names, labels, log
// lines, health output, error reasons) is foreign: it is passed on byte for
// byte, and whoever shows it has to sanitise it first.
package compose

import (
	"context"
	"time"

	"github.com/docker/docker/client"
)

const (
	pingTimeout    = 3 * time.Second
	sshPingTimeout = 15 * time.Second // a key exchange and a remote `docker system dial-stdio`
	readTimeout    = 10 * time.Second // list, inspect and other calls that only read
	actTimeout     = 20 * time.Second // ContainerKill alone may take 12 s in the daemon
)

// Client talks to one Docker engine. Its zero value is not usable; see [Connect].
// It is safe for concurrent use.
type Client struct {
	api  *client.Client
	info Info
}

// Info says which engine a [Client] talks to.
type Info struct {
	Host          string // address the client dials, for example unix:///var/run/docker.sock
	Context       string // name of the docker context, "" when the host was given directly
	ServerVersion string
	APIVersion    string // negotiated, for example 1.41
	OSType        string // linux or windows
	Arch          string // in Go's words: amd64, arm64
	Rootless      bool
	Podman        bool // Podman's compatible API: health, restart policy and inspect differ in places
}

// Info returns what [Connect] learned about the engine.
func (c *Client) Info() Info { return c.info }

// Close releases idle connections. Streams have to be closed by their owners.
func (c *Client) Close() error { return c.api.Close() }

// within gives ctx a deadline, because the Docker client has none of its own
// and a hung daemon would otherwise hang the caller.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, limit)
}
