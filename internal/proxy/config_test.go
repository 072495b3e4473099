package proxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/proxy"
	"bgctl/stack"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func render(t *testing.T, pairs map[string]string) string {
	t.Helper()
	s, seed, err := proxy.LoadSettings(env(pairs), "127.0.0.11")
	if err != nil {
		t.Fatal(err)
	}
	s.Start = seed
	var b strings.Builder
	if err := proxy.Render(&b, stack.NginxTemplate, &s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRender_GroupsAndBackups(t *testing.T) {
	conf := render(t, nil)
	for _, want := range []string{
		"upstream blue {", "upstream green {", "upstream blue_only {", "upstream green_only {",
		"server app_blue:3000 resolve max_fails=1", "server app_green:3000 resolve backup max_fails=0",
		"if (-f /var/lib/bgctl/active/green) { set $active green; }",
		"proxy_next_upstream error timeout http_500 http_502 http_503 http_504;",
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("nginx.conf lacks %q", want)
		}
	}
	only := conf[strings.Index(conf, "upstream blue_only {"):]
	if only = only[:strings.Index(only, "}")]; strings.Contains(only, "backup") {
		t.Errorf("blue_only has a backup:\n%s", only)
	}
}

func TestRender_RetryPolicyIsExplicit(t *testing.T) {
	if conf := render(t, nil); strings.Contains(conf, " non_idempotent") {
		t.Error("by default a POST must not be sent twice")
	}
	if conf := render(t, map[string]string{"RETRY_NON_IDEMPOTENT": "on"}); !strings.Contains(conf, "http_504 non_idempotent;") {
		t.Error("RETRY_NON_IDEMPOTENT=on changes nothing")
	}
	conf := render(t, map[string]string{"RETRY_NON_IDEMPOTENT": "/search, /graphql"})
	if strings.Count(conf, "non_idempotent;") != 2 || !strings.Contains(conf, "location ^~ /graphql {") {
		t.Error("RETRY_NON_IDEMPOTENT=/search,/graphql should give two locations")
	}
}

func TestLoadSettings_RefusesWhatCouldBeADirective(t *testing.T) {
	for name, value := range map[string]string{
		"PORT": "3000; return 200", "PROXY_READ_TIMEOUT": "4s; include /etc/passwd", "FAIL_TIMEOUT": "1 s",
		"CLIENT_MAX_BODY_SIZE": "1m}", "ACTIVE_POOL": "red", "BLUE_HOST": "a;b", "LOG_KEEP": "-1",
		"RETRY_NON_IDEMPOTENT": "/a{", "GREEN_HOST": "-x",
	} {
		_, _, err := proxy.LoadSettings(env(map[string]string{name: value}), "127.0.0.11")
		if !errors.Is(err, proxy.ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: err = %v, want ErrConfig naming it", name, value, err)
		}
	}
}

// Every value that passes is one that nginx can run with.
func TestLoadSettings_RefusesWhatNginxWould(t *testing.T) {
	for _, tt := range []struct{ name, bad, good string }{
		{"RETRY_NON_IDEMPOTENT", "/search,/search", "/search,/search/"},
		{"RETRY_NON_IDEMPOTENT", "/", "on"},
		{"RETRY_NON_IDEMPOTENT", "=/", "/c,/_"},
		{"RETRY_NON_IDEMPOTENT", "/a//b", "/a/b"},
		{"RETRY_NON_IDEMPOTENT", "/a/../chaos", "/a..b"},
		{"RETRY_NON_IDEMPOTENT", "/chaos/start", "/chaosmonkey"},
		{"RETRY_NON_IDEMPOTENT", "/_bgctl", "/_bg"},
		{"LOG_MAX_SIZE", "0", "64k"},
		{"LOG_MAX_SIZE", "65535", "65536"},
		{"FAIL_TIMEOUT", "500ms", "1s"},
		{"PROXY_CONNECT_TIMEOUT", "0", "1ms"},
		{"PROXY_READ_TIMEOUT", "00s", "01s"},
		{"RETRY_TIMEOUT", "9999999999", "0"},
		{"BLUE_HOST", strings.Repeat("a", 65), strings.Repeat("a", 64)},
	} {
		_, _, err := proxy.LoadSettings(env(map[string]string{tt.name: tt.bad}), "127.0.0.11")
		if !errors.Is(err, proxy.ErrConfig) || !strings.Contains(err.Error(), tt.name+"=") || !strings.Contains(err.Error(), tt.bad) {
			t.Errorf("%s=%q: err = %v, want it refused by name", tt.name, tt.bad, err)
		}
		if _, _, err := proxy.LoadSettings(env(map[string]string{tt.name: tt.good}), "127.0.0.11"); err != nil {
			t.Errorf("%s=%q: %v", tt.name, tt.good, err)
		}
	}
}

func TestSettingNames(t *testing.T) {
	want := []string{
		"BLUE_HOST", "CLIENT_MAX_BODY_SIZE", "FAIL_TIMEOUT", "GREEN_HOST", "LOG_KEEP", "LOG_MAX_SIZE", "PORT",
		"PROXY_CONNECT_TIMEOUT", "PROXY_READ_TIMEOUT", "RETRY_NON_IDEMPOTENT", "RETRY_TIMEOUT", "UPSTREAM_KEEPALIVE",
	}
	if diff := cmp.Diff(want, proxy.SettingNames()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadSettings_ReportsAllBadSettingsAtOnce(t *testing.T) {
	_, _, err := proxy.LoadSettings(env(map[string]string{"PORT": "x", "LOG_MAX_SIZE": "big"}), "127.0.0.11")
	if err == nil || !strings.Contains(err.Error(), "PORT") || !strings.Contains(err.Error(), "LOG_MAX_SIZE") {
		t.Errorf("err = %v", err)
	}
}

func TestResolver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("# c\nnameserver ::1\nnameserver 10.0.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := proxy.Resolver(path); got != "10.0.0.53" {
		t.Errorf("Resolver = %s", got)
	}
	if got := proxy.Resolver(path + ".none"); got != "127.0.0.11" {
		t.Errorf("Resolver of no file = %s", got)
	}
}

func TestFailTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Second, "2": 2 * time.Second, "500ms": 500 * time.Millisecond, "1m": time.Minute} {
		if got, err := proxy.FailTimeout(text); err != nil || got != want {
			t.Errorf("FailTimeout(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestRotator(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	reopened := 0
	r := &proxy.Rotator{Path: path, Limits: func() (int64, int) { return 10, 2 }, Reopen: func() error {
		reopened++
		return os.WriteFile(path, nil, 0o600)
	}}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("short")
	for _, text := range []string{"first 0123456789", "second 0123456789", "third 0123456789"} {
		if err := r.Once(); err != nil {
			t.Fatal(err)
		}
		write(text)
	}
	if err := r.Once(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "third 0123456789", "second 0123456789"} {
		name := path
		if i > 0 {
			name = path + "." + string(rune('0'+i))
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", filepath.Base(name), got, err, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil || reopened != 3 {
		t.Errorf("kept too many, or reopened %d times", reopened)
	}
}

func TestRegularLog_ReplacesTheInheritedLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/stdout", path); err != nil {
		t.Fatal(err)
	}
	if err := proxy.RegularLog(path); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}
