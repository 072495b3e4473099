package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"bgctl/internal/bluegreen"
)

// PrivatePort is the port of the listener that only the container reaches.
const PrivatePort = 8079

// Settings are the values nginx.conf is rendered from.
type Settings struct {
	Listen         string // address and port of the public listener
	PrivatePort    int
	Port           int // of the application
	Resolver       string
	StateDir       string
	AccessLog      string
	Start          bluegreen.Pool // active pool at the start
	ConnectTimeout string
	ReadTimeout    string
	RetryTimeout   string
	FailTimeout    string
	UpstreamIdle   string
	MaxBody        string
	Tries          int
	RetryAll       bool     // repeat POST, PATCH and LOCK too
	RetryPaths     []string // path prefixes for which they are repeated
	Groups         []Group
	LogMaxSize     int64 // bytes
	LogKeep        int
}

// Group is one upstream group.
type Group struct {
	Name    string
	Pool    bluegreen.Pool
	Primary string // host names on the stack's network
	Backup  string // "" in the groups that a standby under test is kept out of
}

// ErrConfig marks a setting that cannot be used.
var ErrConfig = errors.New("bad setting")

// What may reach nginx.conf. Everything else is refused, so that no value can
// smuggle a directive in.
var (
	durationRE = regexp.MustCompile(`^[0-9]{1,6}(ms|s|m)?$`)
	sizeRE     = regexp.MustCompile(`^[0-9]{1,9}[kKmMgG]?$`)
	hostRE     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)
	pathRE     = regexp.MustCompile(`^/[A-Za-z0-9/._~-]*$`)
)

// reader collects settings and the errors in them.
type reader struct {
	get  func(string) string
	errs []error
}

// value returns a variable or its default, checked against a pattern.
func (r *reader) value(name, def string, pattern *regexp.Regexp) string {
	v := r.get(name)
	if v == "" {
		return def
	}
	if !pattern.MatchString(v) {
		r.errs = append(r.errs, fmt.Errorf("%w: %s=%q: want something like %s", ErrConfig, name, v, def))
		return def
	}
	return v
}

// number returns a variable or its default as a number within limits.
func (r *reader) number(name string, def, low, high int) int {
	v := r.get(name)
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.errs = append(r.errs, fmt.Errorf("%w: %s=%q: want a number from %d to %d", ErrConfig, name, v, low, high))
		return def
	}
	return n
}

// LoadSettings reads the settings from the container's environment. All bad ones
// are reported at once.
func LoadSettings(get func(string) string, resolver string) (Settings, bluegreen.Pool, error) {
	r := &reader{get: get}
	s := Settings{
		Listen: "8080", PrivatePort: PrivatePort, StateDir: StateDir, AccessLog: AccessLog,
		Resolver:       resolver,
		Port:           r.number("PORT", 3000, 1, 65535),
		ConnectTimeout: r.value("PROXY_CONNECT_TIMEOUT", "500ms", durationRE),
		ReadTimeout:    r.value("PROXY_READ_TIMEOUT", "4s", durationRE),
		FailTimeout:    r.value("FAIL_TIMEOUT", "1s", durationRE),
		UpstreamIdle:   r.value("UPSTREAM_KEEPALIVE", "4s", durationRE),
		RetryTimeout:   r.value("RETRY_TIMEOUT", "8s", durationRE),
		MaxBody:        r.value("CLIENT_MAX_BODY_SIZE", "16m", sizeRE),
		LogMaxSize:     parseSize(r.value("LOG_MAX_SIZE", "64m", sizeRE)),
		LogKeep:        r.number("LOG_KEEP", 4, 1, 100),
		Tries:          2,
	}
	r.retry(&s)
	blue, green := r.value("BLUE_HOST", "app_blue", hostRE), r.value("GREEN_HOST", "app_green", hostRE)
	s.Groups = []Group{
		{Name: "blue", Pool: bluegreen.Blue, Primary: blue, Backup: green},
		{Name: "green", Pool: bluegreen.Green, Primary: green, Backup: blue},
		{Name: "blue_only", Pool: bluegreen.Blue, Primary: blue},
		{Name: "green_only", Pool: bluegreen.Green, Primary: green},
	}
	seed := bluegreen.Blue
	if v := get("ACTIVE_POOL"); v != "" {
		pool, err := bluegreen.ParsePool(v)
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("%w: ACTIVE_POOL: %w", ErrConfig, err))
		} else {
			seed = pool
		}
	}
	return s, seed, errors.Join(r.errs...)
}

// retry reads which requests nginx repeats although they may change something.
func (r *reader) retry(s *Settings) {
	switch v := r.get("RETRY_NON_IDEMPOTENT"); v {
	case "", "off", "false", "0", "no":
	case "on", "true", "1", "yes":
		s.RetryAll = true
	default:
		for path := range strings.SplitSeq(v, ",") {
			path = strings.TrimSpace(path)
			if !pathRE.MatchString(path) {
				r.errs = append(r.errs, fmt.Errorf("%w: RETRY_NON_IDEMPOTENT=%q: want off, on, or path prefixes such as /search,/graphql", ErrConfig, v))
				return
			}
			s.RetryPaths = append(s.RetryPaths, path)
		}
	}
}

// parseSize reads a size that sizeRE accepted.
func parseSize(v string) int64 {
	unit := int64(1)
	switch v[len(v)-1] {
	case 'k', 'K':
		unit = 1 << 10
	case 'm', 'M':
		unit = 1 << 20
	case 'g', 'G':
		unit = 1 << 30
	}
	n, err := strconv.ParseInt(strings.TrimRight(v, "kKmMgG"), 10, 64)
	if err != nil {
		return 64 << 20
	}
	return n * unit
}

// Render writes nginx.conf.
func Render(w io.Writer, text string, s *Settings) error {
	t, err := template.New("nginx.conf").Option("missingkey=error").Parse(text)
	if err != nil {
		return fmt.Errorf("nginx template: %w", err)
	}
	if err := t.Execute(w, s); err != nil {
		return fmt.Errorf("nginx template: %w", err)
	}
	return nil
}

// Resolver returns the first name server of a resolv.conf; Docker's own when
// the file names none.
func Resolver(path string) string {
	const embedded = "127.0.0.11"
	f, err := os.Open(path) //nolint:gosec // the container's own resolv.conf
	if err != nil {
		return embedded
	}
	defer func() { _ = f.Close() }() // only read
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" && !strings.Contains(fields[1], ":") {
			return fields[1]
		}
	}
	return embedded
}

// FailTimeout parses nginx's way of writing a time span.
func FailTimeout(v string) (time.Duration, error) {
	if v == "" {
		return time.Second, nil
	}
	if !durationRE.MatchString(v) {
		return 0, fmt.Errorf("%w: FAIL_TIMEOUT=%q: want something like 1s", ErrConfig, v)
	}
	if v[len(v)-1] >= '0' && v[len(v)-1] <= '9' {
		v += "s"
	}
	return time.ParseDuration(v)
}
