package compose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/api/types"
)

// diagnose says in one line why the engine did not answer. The Docker client
// replaces the network error by a sentence of its own, so a socket is dialled
// once more to see the real reason.
func diagnose(ctx context.Context, t target, cause error) error {
	out := &UnreachableError{Host: t.host, Cause: cause}
	switch t.scheme() {
	case "unix":
		diagnoseSocket(ctx, t, out)
	case "ssh":
		diagnoseSSH(ctx, t, out)
	default:
		diagnoseTCP(ctx, t, out)
	}
	return out
}

func diagnoseSocket(ctx context.Context, t target, out *UnreachableError) {
	path := t.socketPath()
	err := redial(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Reason = "there is no Docker socket at " + path
		out.Hint = "start Docker, or name the engine with DOCKER_HOST or a docker context"
	case errors.Is(err, fs.ErrPermission):
		out.Reason = "permission denied on the Docker socket " + path
		out.Hint = permissionHint(path)
	case errors.Is(err, syscall.ECONNREFUSED):
		out.Reason = "the Docker socket " + path + " exists, but no engine listens on it"
		out.Hint = "start Docker (`systemctl start docker`)"
	default:
		diagnoseAnswer(t, out)
	}
}

func permissionHint(path string) string {
	group := socketGroup(path)
	if group == "" {
		return "run as a user who may use it, or use sudo"
	}
	return "add your user to the group " + group + " (`sudo usermod -aG " + group +
		" $USER`, then log in again), or use sudo"
}

func diagnoseTCP(ctx context.Context, t target, out *UnreachableError) {
	address := ""
	if parsed, err := url.Parse(t.host); err == nil {
		address = parsed.Host
	}
	err := redial(ctx, "tcp", address)
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &dnsErr):
		out.Reason = "the engine's host name in " + t.host + " does not resolve"
		out.Hint = "check DOCKER_HOST or the docker context"
	case errors.Is(err, syscall.ECONNREFUSED):
		out.Reason = "nothing listens at " + t.host
		out.Hint = "check that the engine is running and listens on that address"
	case err != nil:
		out.Reason = "no connection to " + t.host
		out.Hint = "check the network and DOCKER_HOST or the docker context"
	default:
		diagnoseAnswer(t, out)
	}
}

// diagnoseAnswer is for an address that takes connections.
func diagnoseAnswer(t target, out *UnreachableError) {
	text := out.Cause.Error()
	switch {
	case isTLSError(out.Cause, text):
		out.Reason = "TLS failed with " + t.host
		out.Hint = "check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH or the certificates of the docker context (" + tlsDetail(out.Cause) + ")"
	case errors.Is(out.Cause, context.DeadlineExceeded):
		out.Reason = "the engine at " + t.host + " takes connections but gave no answer within " + pingTimeout.String()
		out.Hint = "it may be overloaded or hung; try again or restart it"
	case refusedVersion.MatchString(text):
		diagnoseVersion(t, out)
	default:
		out.Reason = "the engine at " + t.host + " did not answer as a Docker engine does"
		out.Hint = plainReason(out.Cause)
	}
}

// refusedVersion is what an engine says to a client whose API version it does not speak.
var refusedVersion = regexp.MustCompile(`client version (\S+) is too (old|new)\. M\w+ supported API version is ([0-9.]*[0-9])`)

func diagnoseVersion(t target, out *UnreachableError) {
	said := refusedVersion.FindStringSubmatch(out.Cause.Error())
	bound, remedy := "oldest", "update bgctl"
	if said[2] == "new" {
		bound, remedy = "newest", "update Docker"
	}
	if t.pinned != "" {
		remedy = "unset DOCKER_API_VERSION"
	}
	out.Reason = "the engine at " + t.host + " refuses API " + said[1] + " (its " + bound + " is " + said[3] + ")"
	out.Hint = remedy
}

func pinnedTooOld(t target) error {
	return &UnreachableError{
		Host:   t.host,
		Reason: "the environment has DOCKER_API_VERSION=" + t.pinned + ", bgctl needs " + oldestAPI + " or newer",
		Hint:   "unset it",
	}
}

func isTLSError(err error, text string) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	if errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) {
		return true
	}
	return strings.Contains(text, "HTTPS server") || strings.Contains(text, "TLS-enabled") ||
		strings.Contains(text, "HTTP response to HTTPS client") ||
		strings.Contains(text, "bad certificate") || strings.Contains(text, "x509:")
}

func tlsDetail(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch text := err.Error(); {
	case errors.As(err, &unknown):
		return "the engine's certificate is signed by an unknown authority"
	case errors.As(err, &host):
		return "the engine's certificate is for another name"
	case strings.Contains(text, "HTTPS server"), strings.Contains(text, "TLS-enabled"):
		return "the engine wants TLS"
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return "the engine does not speak TLS"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"):
		return "the engine wants a client certificate"
	}
	return plainReason(err)
}

func diagnoseSSH(ctx context.Context, t target, out *UnreachableError) {
	out.Reason = "no connection to the engine at " + t.host
	out.Hint = "check that `ssh` to that host works without a password and that docker runs there"
	if errors.Is(out.Cause, exec.ErrNotFound) {
		out.Hint = "the ssh program is not installed here"
		return
	}
	if errors.Is(out.Cause, context.DeadlineExceeded) {
		out.Reason += " within " + sshPingTimeout.String()
		return
	}
	said := lastWordsOfSSH(out.Cause)
	if said == "" {
		said = lastWordsOfSSH(redialSSH(ctx, t))
	}
	if said != "" {
		out.Reason += " (" + said + ")"
	}
}

// lastWordsOfSSH is the last line the ssh program wrote before it ended.
// connhelper puts it behind "stderr=".
func lastWordsOfSSH(err error) string {
	if err == nil {
		return ""
	}
	_, stderr, _ := strings.Cut(err.Error(), "stderr=")
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// redialSSH runs ssh once more and only listens. Where ssh ends before the
// request is written, the HTTP client may report the broken pipe instead of
// what ssh said; a connection that is only read from always reports the latter.
func redialSSH(ctx context.Context, t target) error {
	helper, err := connhelper.GetConnectionHelper(t.host)
	if err != nil {
		return err
	}
	callCtx, cancel := within(ctx, sshPingTimeout)
	defer cancel()
	conn, err := helper.Dialer(callCtx, "", "")
	if err != nil {
		return err
	}
	// The connection has no deadlines, and one that works says nothing.
	stop := context.AfterFunc(callCtx, func() { _ = conn.Close() })
	defer stop()
	_, err = conn.Read(make([]byte, 1))
	_ = conn.Close()
	return err
}

// redial opens the address once more, only to learn the network's own error.
func redial(ctx context.Context, network, address string) error {
	callCtx, cancel := within(ctx, pingTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(callCtx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func tooOld(t target, ping types.Ping) error {
	version := ping.APIVersion
	if version == "" {
		version = "unknown"
	}
	return &UnreachableError{
		Host:   t.host,
		Reason: "the engine at " + t.host + " speaks API " + version + ", bgctl needs " + oldestAPI + " or newer",
		Hint:   "update Docker to 20.10 or newer",
	}
}
