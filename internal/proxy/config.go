package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
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
	Generation     string            // tells this configuration from the one before
	Values         map[string]string // what the settings are, by variable
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
// smuggle a directive in. The patterns have no bounds, which cost every start of bgctl
// a millisecond: see [longest].
var (
	durationRE = regexp.MustCompile(`^[0-9]+(ms|s|m)?$`)
	limitRE    = regexp.MustCompile(`^0*[1-9][0-9]*(ms|s|m)?$`) // nginx takes 0 for "at once"
	secondsRE  = regexp.MustCompile(`^[0-9]+[sm]?$`)            // nginx counts it in whole seconds
	sizeRE     = regexp.MustCompile(`^[0-9]+[kKmMgG]?$`)
	hostRE     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	pathRE     = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+/?$`)
)

// longest is how long a value may be that a pattern accepts: a host's name, or a number
// that nginx and we can count with.
func longest(pattern *regexp.Regexp) int {
	if pattern == hostRE {
		return 64
	}
	return 9
}

// logMaxSizeLeast keeps the rotation from being at work all the time.
const logMaxSizeLeast = 64 << 10

// reader collects settings and the errors in them.
type reader struct {
	get    func(string) string
	values map[string]string
	errs   []error
}

// value returns a variable or its default, checked against a pattern.
func (r *reader) value(name, def string, pattern *regexp.Regexp) string {
	v := r.get(name)
	if v == "" {
		v = def
	}
	if len(v) > longest(pattern) || !pattern.MatchString(v) {
		r.bad(name, "something like "+def)
		v = def
	}
	r.values[name] = v
	return v
}

// number returns a variable or its default as a number within limits.
func (r *reader) number(name string, def, low, high int) int {
	n, err := def, error(nil)
	if v := r.get(name); v != "" {
		n, err = strconv.Atoi(v)
	}
	if err != nil || n < low || n > high {
		r.bad(name, fmt.Sprintf("a number from %d to %d", low, high))
		n = def
	}
	r.values[name] = strconv.Itoa(n)
	return n
}

// bad notes that a variable's value cannot be used.
func (r *reader) bad(name, want string) {
	r.errs = append(r.errs, fmt.Errorf("%w: %s=%q: want %s", ErrConfig, name, r.get(name), want))
}

// LoadSettings reads the settings from the container's environment. All bad ones
// are reported at once.
func LoadSettings(get func(string) string, resolver string) (Settings, bluegreen.Pool, error) {
	r := &reader{get: get, values: map[string]string{}}
	s := Settings{
		Listen: "8080", PrivatePort: PrivatePort, StateDir: StateDir, AccessLog: AccessLog,
		Resolver:       resolver,
		Port:           r.number("PORT", 3000, 1, 65535),
		ConnectTimeout: r.value("PROXY_CONNECT_TIMEOUT", "500ms", limitRE),
		ReadTimeout:    r.value("PROXY_READ_TIMEOUT", "4s", limitRE),
		FailTimeout:    r.value("FAIL_TIMEOUT", "1s", secondsRE),
		UpstreamIdle:   r.value("UPSTREAM_KEEPALIVE", "4s", durationRE),
		RetryTimeout:   r.value("RETRY_TIMEOUT", "8s", durationRE),
		MaxBody:        r.value("CLIENT_MAX_BODY_SIZE", "16m", sizeRE),
		LogMaxSize:     parseSize(r.value("LOG_MAX_SIZE", "64m", sizeRE)),
		LogKeep:        r.number("LOG_KEEP", 4, 1, 100),
		Tries:          2,
		Generation:     "start",
		Values:         r.values,
	}
	if s.LogMaxSize < logMaxSizeLeast {
		r.bad("LOG_MAX_SIZE", "64k or more, because the log would be rotated all the time")
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

// SettingNames returns the variables that [LoadSettings] reads, sorted. ACTIVE_POOL is
// none of them: it only says which pool is active before the first switch.
func SettingNames() []string {
	s, _, _ := LoadSettings(func(string) string { return "" }, "") // the defaults are good
	return slices.Sorted(maps.Keys(s.Values))
}

// retry reads which requests nginx repeats although they may change something.
func (r *reader) retry(s *Settings) {
	const name = "RETRY_NON_IDEMPOTENT"
	switch v := r.get(name); v {
	case "", "off", "false", "0", "no":
		r.values[name] = "off"
	case "on", "true", "1", "yes":
		s.RetryAll, r.values[name] = true, "on"
	default:
		for path := range strings.SplitSeq(v, ",") {
			path = strings.TrimSpace(path)
			if want := wantedPath(path, s.RetryPaths); want != "" {
				r.bad(name, want)
				return
			}
			s.RetryPaths = append(s.RetryPaths, path)
		}
		r.values[name] = strings.Join(s.RetryPaths, ",")
	}
}

// wantedPath says what is wanted instead of a path prefix that cannot be used, "" when
// it can. Every prefix becomes a location, which nginx accepts once.
func wantedPath(path string, before []string) string {
	switch {
	case path == "/":
		return "on instead of the prefix /"
	case !pathRE.MatchString(path) || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../"):
		return "off, on, or path prefixes such as /search,/graphql"
	case slices.Contains(before, path):
		return "each path prefix once, " + path + " is there twice"
	}
	for _, own := range []string{"/chaos", "/_bgctl", "/nginx-health"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return "other path prefixes: " + own + " never reaches the application"
		}
	}
	return ""
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
