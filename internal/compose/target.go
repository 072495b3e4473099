package compose

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
)

// target is the engine to dial, before anything was dialled.
type target struct {
	host        string
	contextName string
	tls         *tlsFiles
	pinned      string // DOCKER_API_VERSION, "" when the version is negotiated
}

// tlsFiles names PEM files; a missing one is simply not used.
type tlsFiles struct {
	dir        string
	skipVerify bool
}

func (t target) scheme() string {
	scheme, _, _ := strings.Cut(t.host, "://")
	return scheme
}

// socketPath is the path of a unix socket, "" for every other address.
func (t target) socketPath() string {
	if t.scheme() != "unix" {
		return ""
	}
	return strings.TrimPrefix(t.host, "unix://")
}

// resolveTarget follows the docker command's rules without its command line.
// The context store is read here (three files) and not through docker/cli, so
// that ConfigDir and the environment stay parameters.
func resolveTarget(opts ConnectOptions) (target, error) {
	dir := configDir(opts)
	// As with docker: what is on the command line wins over the environment.
	if opts.Host != "" {
		return hostTarget(opts.Host, dir, opts.Env)
	}
	name := opts.Context
	if host := opts.Env("DOCKER_HOST"); host != "" && name == "" {
		return hostTarget(host, dir, opts.Env)
	}
	if name == "" {
		name = opts.Env("DOCKER_CONTEXT")
	}
	if name == "" {
		current, err := currentContext(dir)
		if err != nil {
			return target{}, err
		}
		name = current
	}
	if name == "" || name == "default" {
		return hostTarget(defaultHost(opts.Env), dir, opts.Env)
	}
	return contextTarget(name, dir)
}

func configDir(opts ConnectOptions) string {
	if opts.ConfigDir != "" {
		return opts.ConfigDir
	}
	if dir := opts.Env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := opts.Env("HOME")
	if home == "" {
		home = opts.Env("USERPROFILE")
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".docker")
}

func hostTarget(host, dir string, env func(string) string) (target, error) {
	if !strings.Contains(host, "://") {
		// The docker command takes "host:port" and "/path" too.
		if strings.HasPrefix(host, "/") {
			host = "unix://" + host
		} else {
			host = "tcp://" + host
		}
	}
	t := target{host: host}
	switch t.scheme() {
	case "unix", "npipe", "ssh", "http", "https", "tcp":
	default:
		return target{}, &UnreachableError{
			Host: host, Reason: "the engine address " + host + " has an unknown scheme",
			Hint: "use unix://, tcp://, ssh:// or npipe://",
		}
	}
	verify, certs := env("DOCKER_TLS_VERIFY"), env("DOCKER_CERT_PATH")
	if t.scheme() != "tcp" && t.scheme() != "https" || verify == "" && certs == "" {
		return t, nil
	}
	if certs == "" {
		certs = dir
	}
	t.tls = &tlsFiles{dir: certs, skipVerify: verify == ""}
	return t, nil
}

// defaultHost falls back to the sockets of a rootless engine and of Docker
// Desktop when the usual one does not exist.
func defaultHost(env func(string) string) string {
	usual := target{host: client.DefaultDockerHost}
	if usual.socketPath() == "" || isThere(usual.socketPath()) {
		return usual.host
	}
	var others []string
	if runtimeDir := env("XDG_RUNTIME_DIR"); runtimeDir != "" {
		others = append(others, filepath.Join(runtimeDir, "docker.sock"))
	}
	if home := env("HOME"); home != "" {
		others = append(others, filepath.Join(home, ".docker", "run", "docker.sock"))
	}
	for _, path := range others {
		if isThere(path) {
			return "unix://" + path
		}
	}
	return usual.host
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func currentContext(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json")) //nolint:gosec // the user's own docker configuration
	if err != nil {
		// An unreadable configuration is the docker command's business, a
		// missing one is the usual case.
		return "", nil //nolint:nilerr // see above
	}
	var file struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return "", &UnreachableError{
			Reason: filepath.Join(dir, "config.json") + " is not valid JSON",
			Hint:   "repair it, or name the engine with DOCKER_HOST", Cause: err,
		}
	}
	return file.CurrentContext, nil
}

// contextTarget reads one context as docker/cli's store lays it out: a
// directory named by the SHA-256 of the context's name.
func contextTarget(name, dir string) (target, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	data, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json")) //nolint:gosec // the user's own docker configuration
	if err != nil {
		return target{}, &UnreachableError{
			Reason: fmt.Sprintf("docker context %q does not exist", name),
			Hint:   "`docker context ls` lists the contexts", Cause: err,
		}
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return target{}, &UnreachableError{
			Reason: fmt.Sprintf("docker context %q is not readable", name),
			Hint:   "`docker context inspect` shows it", Cause: err,
		}
	}
	endpoint, ok := meta.Endpoints["docker"]
	if !ok || endpoint.Host == "" {
		return target{}, &UnreachableError{
			Reason: fmt.Sprintf("docker context %q names no engine address", name),
			Hint:   "`docker context inspect` shows it",
		}
	}
	t := target{host: endpoint.Host, contextName: name}
	certs := filepath.Join(dir, "contexts", "tls", id, "docker")
	if endpoint.SkipTLSVerify || isThere(certs) {
		t.tls = &tlsFiles{dir: certs, skipVerify: endpoint.SkipTLSVerify}
	}
	return t, nil
}

// config builds the TLS configuration from ca.pem, cert.pem and key.pem.
func (f *tlsFiles) config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: f.skipVerify, //nolint:gosec // asked for: DOCKER_TLS_VERIFY unset or SkipTLSVerify in the context
	}
	ca, err := optionalFile(filepath.Join(f.dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	if ca != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no certificate", filepath.Join(f.dir, "ca.pem"))
		}
		config.RootCAs = pool
	}
	cert, err := optionalFile(filepath.Join(f.dir, "cert.pem"))
	if err != nil {
		return nil, err
	}
	key, err := optionalFile(filepath.Join(f.dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	if ca == nil && cert == nil && !f.skipVerify {
		return nil, fmt.Errorf("no ca.pem or cert.pem in %s", f.dir)
	}
	if cert == nil && key == nil {
		return config, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert.pem and key.pem in %s: %w", f.dir, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func optionalFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path) //nolint:gosec // named by the user's docker configuration
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
