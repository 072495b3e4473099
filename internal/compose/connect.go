package compose

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// oldestAPI is Engine 20.10's; older engines are not tested.
const oldestAPI = "1.41"

// ConnectOptions says where the engine is. Empty fields are looked up as the
// docker command does. The order is: Host, Context, DOCKER_HOST,
// DOCKER_CONTEXT, currentContext of config.json, the default socket.
type ConnectOptions struct {
	Host      string              // unix://, tcp://, ssh://, npipe://
	Context   string              // name of a docker context
	Env       func(string) string // the environment; nil means empty
	ConfigDir string              // default: $DOCKER_CONFIG, else $HOME/.docker
}

// Locate says where the engine is, as [Connect] would find it, without asking it.
func Locate(opts ConnectOptions) (Info, error) {
	if opts.Env == nil {
		opts.Env = func(string) string { return "" }
	}
	t, err := resolveTarget(opts)
	if err != nil {
		return Info{}, err
	}
	_, err = t.clientOptions()
	return Info{Host: t.host, Context: t.contextName}, err
}

// Connect finds the engine, dials it and negotiates the API version. Every
// failure to reach it is an [UnreachableError], which matches [ErrUnreachable].
func Connect(ctx context.Context, opts ConnectOptions) (*Client, error) {
	if opts.Env == nil {
		opts.Env = func(string) string { return "" }
	}
	target, err := resolveTarget(opts)
	if err != nil {
		return nil, err
	}
	clientOpts, err := target.clientOptions()
	if err != nil {
		return nil, err
	}
	if target.pinned = opts.Env("DOCKER_API_VERSION"); target.pinned != "" {
		clientOpts = append(clientOpts, client.WithVersion(target.pinned))
	}
	api, err := client.NewClientWithOpts(clientOpts...)
	if err != nil {
		return nil, &UnreachableError{
			Host: target.host, Reason: "the engine address " + target.host + " is not usable",
			Hint: plainReason(err), Cause: err,
		}
	}
	c := &Client{api: api, info: Info{Host: target.host, Context: target.contextName}}
	if err := c.handshake(ctx, target); err != nil {
		_ = api.Close()
		return nil, err
	}
	return c, nil
}

// idleConns is how many connections to a far engine are kept.
const idleConns = 10

// handshake pings by itself: the client's own negotiation ignores a failing
// ping and then speaks an API version that an older engine does not know.
func (c *Client) handshake(ctx context.Context, target target) error {
	limit := pingTimeout
	if target.scheme() == "ssh" {
		limit = sshPingTimeout
	}
	callCtx, cancel := within(ctx, limit)
	defer cancel()
	ping, err := c.api.Ping(callCtx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return diagnose(ctx, target, err)
	}
	if ping.APIVersion == "" || versions.LessThan(ping.APIVersion, oldestAPI) {
		return tooOld(target, ping)
	}
	if target.pinned != "" && versions.LessThan(target.pinned, oldestAPI) {
		return pinnedTooOld(target)
	}
	c.api.NegotiateAPIVersionPing(ping)
	server, err := c.api.ServerVersion(callCtx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return diagnose(ctx, target, err)
	}
	c.info.APIVersion = c.api.ClientVersion()
	c.learn(server)
	return nil
}

func (c *Client) learn(server types.Version) {
	c.info.ServerVersion = server.Version
	c.info.OSType = server.Os
	c.info.Arch = goArch(server.Arch)
	for _, part := range server.Components {
		switch strings.ToLower(part.Name) {
		case "rootlesskit":
			c.info.Rootless = true
		case "podman engine":
			c.info.Podman = true
		}
	}
}

// goArch translates the machine names that some engines report.
func goArch(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i686":
		return "386"
	case "armv7l", "armv6l", "armhf":
		return "arm"
	}
	return arch
}

func (t target) clientOptions() ([]client.Opt, error) {
	if t.scheme() == "ssh" {
		helper, err := connhelper.GetConnectionHelper(t.host)
		if err != nil {
			return nil, &UnreachableError{
				Host: t.host, Reason: "the ssh address " + t.host + " is not valid",
				Hint: "use ssh://[user@]host[:port]", Cause: err,
			}
		}
		return []client.Opt{
			client.WithHTTPClient(&http.Client{Transport: &http.Transport{
				// Each connection is an ssh of its own, which takes a second to begin:
				// those that one look at the containers needs are kept.
				DialContext: helper.Dialer, MaxIdleConns: idleConns, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 30 * time.Second,
			}}),
			client.WithHost(helper.Host),
			client.WithDialContext(helper.Dialer),
		}, nil
	}
	if t.scheme() != "tcp" && t.scheme() != "http" && t.scheme() != "https" {
		return []client.Opt{client.WithHost(t.host)}, nil
	}
	transport := &http.Transport{
		MaxIdleConns: idleConns, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 30 * time.Second,
		DialContext: (&net.Dialer{Timeout: pingTimeout, KeepAlive: 30 * time.Second}).DialContext,
	}
	if t.tls != nil {
		config, err := t.tls.config()
		if err != nil {
			return nil, &UnreachableError{
				Host: t.host, Reason: "the TLS files for " + t.host + " are not usable",
				Hint: err.Error(), Cause: err,
			}
		}
		transport.TLSClientConfig = config
	} else if t.scheme() == "https" {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithHost(t.host),
	}, nil
}
