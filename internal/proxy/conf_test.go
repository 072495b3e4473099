package proxy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
	"bgctl/stack"
)

// newConf returns the configuration of a container with this environment.
func newConf(path string, pairs map[string]string) (*proxy.Conf, *fakeNginx) {
	nginx := &fakeNginx{}
	return &proxy.Conf{
		Dir: &proxy.Dir{Path: path}, Env: env(pairs), Template: stack.NginxTemplate, Path: filepath.Join(path, "nginx.conf"),
		Log: filepath.Join(path, "access.log"), Resolver: "127.0.0.11", Nginx: nginx,
	}, nginx
}

func start(t *testing.T, path string, pairs map[string]string) (*proxy.Conf, *fakeNginx) {
	t.Helper()
	conf, nginx := newConf(path, pairs)
	if _, err := conf.Start(); err != nil {
		t.Fatal(err)
	}
	return conf, nginx
}

// files are the names and contents below a directory.
func files(t *testing.T, path string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(path, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		out[strings.TrimPrefix(name, path)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply puts settings in force, with workers that read the file.
func apply(t *testing.T, conf *proxy.Conf, settings map[string]string) ([]string, error) {
	t.Helper()
	return conf.Apply(t.Context(), settings, (&asker{conf: conf.Path}).Generation)
}

// What was put in force outlives a restart, until the container has another environment.
func TestConf_SettingsOutliveARestart(t *testing.T) {
	tests := []struct {
		name          string
		before, after map[string]string // the container's environment
		want          string
	}{
		{"the same environment", map[string]string{"CLIENT_MAX_BODY_SIZE": "1m"}, map[string]string{"CLIENT_MAX_BODY_SIZE": "1m"}, "20m"},
		{"nothing in the environment", nil, nil, "20m"},
		{"another pool to begin with", nil, map[string]string{"ACTIVE_POOL": "green"}, "20m"},
		{"another environment", map[string]string{"CLIENT_MAX_BODY_SIZE": "1m"}, map[string]string{"CLIENT_MAX_BODY_SIZE": "2m"}, "2m"},
		{"another variable", map[string]string{"CLIENT_MAX_BODY_SIZE": "1m"}, map[string]string{"CLIENT_MAX_BODY_SIZE": "1m", "PORT": "80"}, "1m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir()
			conf, nginx := start(t, path, tt.before)
			changed, err := apply(t, conf, map[string]string{"CLIENT_MAX_BODY_SIZE": "20m", "FOREIGN": "x"})
			if err != nil || len(changed) != 1 || nginx.reloads != 1 {
				t.Fatalf("Apply = %v, %v with %d reloads", changed, err, nginx.reloads)
			}
			again, _ := start(t, path, tt.after)
			got, trouble := again.InForce()
			if got["CLIENT_MAX_BODY_SIZE"] != tt.want || len(trouble) > 0 {
				t.Errorf("in force is %v, %v; want %s", got, trouble, tt.want)
			}
			text := files(t, path)
			if !strings.Contains(text["/nginx.conf"], "client_max_body_size "+tt.want+";") {
				t.Error("nginx.conf says something else")
			}
			if _, kept := text["/settings.json"]; kept != (tt.want == "20m") {
				t.Errorf("the record of the settings is kept: %t", kept)
			}
		})
	}
}

// A test of settings leaves no trace, and neither do settings that nginx refuses.
func TestConf_NothingIsLeftOfWhatIsNotApplied(t *testing.T) {
	path := t.TempDir()
	conf, nginx := start(t, path, nil)
	before := files(t, path)
	if changed, err := conf.Check(t.Context(), map[string]string{"PORT": "80", "LOG_KEEP": "7"}); err != nil || cmp.Diff([]string{"LOG_KEEP", "PORT"}, changed) != "" {
		t.Errorf("Check = %v, %v", changed, err)
	}
	nginx.refuse = "app_new"
	for name, settings := range map[string]map[string]string{
		"nginx refuses it": {"BLUE_HOST": "app_new", "LOG_KEEP": "4"},
		"we refuse it":     {"BLUE_HOST": "a;b"},
	} {
		for _, try := range []func() ([]string, error){
			func() ([]string, error) { return conf.Check(t.Context(), settings) },
			func() ([]string, error) { return apply(t, conf, settings) },
		} {
			changed, err := try()
			var bad *bluegreen.SettingError
			if len(changed) > 0 || !errors.As(err, &bad) || !strings.Contains(err.Error(), "BLUE_HOST") ||
				!strings.Contains(err.Error(), settings["BLUE_HOST"]) || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("%s: %v, %v; want an error that names setting and value", name, changed, err)
			}
		}
	}
	if diff := cmp.Diff(before, files(t, path)); diff != "" || nginx.reloads != 0 {
		t.Errorf("%d reloads, and left is:\n%s", nginx.reloads, diff)
	}
}

// A reload that no worker follows is taken back.
func TestConf_AReloadThatFailsIsTakenBack(t *testing.T) {
	path := t.TempDir()
	conf, nginx := start(t, path, nil)
	before := files(t, path)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := conf.Apply(t.Context(), map[string]string{"PORT": "80"}, func(context.Context) (string, error) { return "start", nil })
		if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), "taken back") || took > 6*time.Second {
			t.Errorf("Apply = %v after %s", err, took)
		}
	})
	if nginx.reloads != 2 {
		t.Errorf("%d reloads, want one there and one back", nginx.reloads)
	}
	nginx.fail = errors.New("no such process")
	if _, err := apply(t, conf, map[string]string{"PORT": "80"}); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("Apply without nginx: %v", err)
	}
	after := files(t, path)
	delete(after, "/records.lock")
	delete(before, "/records.lock")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left is:\n%s", diff)
	}
}

func TestConf_SaysWhatIsWrongWithTheLog(t *testing.T) {
	path := t.TempDir()
	conf, _ := start(t, path, map[string]string{"LOG_MAX_SIZE": "64k"})
	want := func(text string) {
		t.Helper()
		_, trouble := conf.InForce()
		if text == "" && len(trouble) > 0 || text != "" && (len(trouble) != 1 || !strings.Contains(trouble[0], text)) {
			t.Errorf("trouble = %q, want %q", trouble, text)
		}
	}
	want("")
	if err := os.Truncate(conf.Log, 100<<20); err != nil {
		t.Fatal(err)
	}
	want("the log rotation does not work")
	if err := errors.Join(os.Remove(conf.Log), os.Symlink("/dev/stdout", conf.Log)); err != nil {
		t.Fatal(err)
	}
	want("is not a regular file")
	if err := os.Remove(conf.Log); err != nil {
		t.Fatal(err)
	}
	want("cannot be seen")
}

// The rotation follows the settings in force.
func TestConf_LimitsFollow(t *testing.T) {
	conf, _ := start(t, t.TempDir(), nil)
	if _, err := apply(t, conf, map[string]string{"LOG_MAX_SIZE": "1m", "LOG_KEEP": "2"}); err != nil {
		t.Fatal(err)
	}
	if size, keep := conf.Limits(); size != 1<<20 || keep != 2 {
		t.Errorf("limits = %d, %d", size, keep)
	}
}

func TestConf_CheckEnv(t *testing.T) {
	path := t.TempDir()
	good, _ := newConf(path, map[string]string{"PORT": "80"})
	if err := good.CheckEnv(t.Context()); err != nil {
		t.Error(err)
	}
	bad, nginx := newConf(path, map[string]string{"PORT": "80", "BLUE_HOST": "shop"})
	nginx.refuse = "shop"
	err := bad.CheckEnv(t.Context())
	if _, ok := errors.AsType[*bluegreen.SettingError](err); !ok || !strings.Contains(err.Error(), `BLUE_HOST="shop", PORT="80": nginx refuses`) {
		t.Errorf("CheckEnv = %v", err)
	}
	worse, _ := newConf(path, map[string]string{"PORT": "x"})
	if err := worse.CheckEnv(t.Context()); !errors.Is(err, proxy.ErrConfig) {
		t.Errorf("CheckEnv = %v, want ErrConfig", err)
	}
	if left := files(t, path); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
}

// nginx is told by its process ID, and what it says is kept to one line.
func TestMaster(t *testing.T) {
	path := t.TempDir()
	program, conf := filepath.Join(path, "nginx"), filepath.Join(path, "new.conf")
	script := "#!/bin/sh\n" + `case "$*" in *` + conf + `) ;; *) exit 3;; esac
echo "nginx: [warn] something old in ` + conf + `:3" >&2
echo 'nginx: [emerg] duplicate location "/search" in ` + conf + `:121' >&2
echo "nginx: configuration file ` + conf + ` test failed" >&2
exit 1
`
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &proxy.Master{Program: program, PIDFile: filepath.Join(path, "pid")}
	err := m.Test(t.Context(), conf)
	var complaint *proxy.ComplaintError
	if !errors.As(err, &complaint) || complaint.Text != `duplicate location "/search" in nginx.conf:121` {
		t.Errorf("Test = %v", err)
	}
	if err := (&proxy.Master{Program: "true"}).Test(t.Context(), conf); err != nil {
		t.Errorf("Test of a good file = %v", err)
	}
	if err := (&proxy.Master{Program: program + ".none"}).Test(t.Context(), conf); err == nil || errors.As(err, &complaint) {
		t.Errorf("Test without nginx = %v", err)
	}
	for _, text := range []string{"", "1\n", "-1", "x"} {
		if err := os.WriteFile(m.PIDFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.Reload(); err == nil {
			t.Errorf("Reload with the process ID %q succeeded", text)
		}
	}
}
