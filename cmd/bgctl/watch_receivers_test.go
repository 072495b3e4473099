//go:build !e2e

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/watch"
)

func TestWatch_GenericWebhookGetsTheEventAsPrinted(t *testing.T) {
	t.Parallel()
	b := newWatchBench(t)
	cmd := b.start()
	b.write(answered, 20)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	b.write(noPool, 4)
	b.until(20*time.Second, "both receivers have the message", func() bool {
		return len(b.generic.all()) > 0 && len(b.slack.Messages()) > 0
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	var got alert.Event
	if err := json.Unmarshal([]byte(b.generic.all()[0]), &got); err != nil || got.Type != alert.AllDown || got.Status != alert.Firing {
		t.Fatalf("%v, %v", got, err)
	}
	for line := range strings.Lines(b.out.String()) {
		if e, ok := watch.ParseEntry([]byte(line)); ok && e.Event != nil && e.Event.ID == got.ID {
			// The line has its kind in front; the rest is the body, byte for byte.
			rest := "{" + strings.TrimPrefix(strings.TrimSpace(line), `{"kind":"alert",`)
			if rest != b.generic.all()[0] {
				t.Errorf("posted  %s\nprinted %s", b.generic.all()[0], rest)
			}
			return
		}
	}
	t.Errorf("%s is not on standard output:\n%s", got.ID, b.out.String())
}

// secretShapes are webhook URLs with what must not be seen of them. %s is the
// receiver's address.
func secretShapes() map[string]struct {
	url     string
	secrets []string
} {
	return map[string]struct {
		url     string
		secrets []string
	}{
		"slack":          {"http://%s/services/T0TEAMSECRET/B0BOTSECRET/xYzSuperSecretToken42", []string{"T0TEAMSECRET", "B0BOTSECRET", "xYzSuperSecretToken42"}},
		"query":          {"http://%s/hook?token=qQquerySecret&x=1", []string{"qQquerySecret"}},
		"user":           {"http://hookuser:pPpasswordSecret@%s/in", []string{"pPpasswordSecret", "hookuser"}},
		"escaped":        {"http://%s/a%%20b/eEescaped%%2FSecret/", []string{"eEescaped", "2FSecret"}},
		"trailing slash": {"http://%s/services/T1TEAMSECRET/B1BOTSECRET/tTtrailing///", []string{"T1TEAMSECRET", "tTtrailing"}},
		"fragment":       {"http://%s/hooks/fFpathSecret#gGfragmentSecret", []string{"fFpathSecret", "gGfragmentSecret"}},
		"tls":            {"https://%s/services/T2TEAMSECRET/B2BOTSECRET/sSsecureSecret", []string{"T2TEAMSECRET", "B2BOTSECRET", "sSsecureSecret"}},
	}
}

// misbehave answers as mode says and echoes the request where it can.
func misbehave(mode string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch mode {
		case "hangup":
			panic(http.ErrAbortHandler)
		case "redirect":
			w.Header().Set("Location", "https://elsewhere.example"+r.URL.RequestURI())
			w.WriteHeader(http.StatusFound)
		case "not HTTP":
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			// net/http quotes a first line that has no space in its error.
			_, _ = fmt.Fprintf(conn, "%s\r\n\r\n", r.URL.RequestURI())
			_ = conn.Close()
			return
		default:
			status := 200
			_, _ = fmt.Sscan(mode, &status)
			w.WriteHeader(status)
		}
		_, _ = fmt.Fprintf(w, "you asked for %s as %s", r.URL.RequestURI(), r.Header.Get("Authorization"))
	})
}

// TestWatch_SecretsLeakNowhere runs the real process with every shape of a webhook
// and every way its delivery can fail, and searches all that comes out.
func TestWatch_SecretsLeakNowhere(t *testing.T) {
	t.Parallel()
	for name, shape := range secretShapes() {
		for _, mode := range []string{"200", "302", "redirect", "400", "404", "429", "500", "hangup", "not HTTP", "refused", "no such host"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				b := newWatchBench(t)
				addr := addressFor(t, mode)
				b.setHooks(fmt.Sprintf(shape.url, addr))
				cmd := b.shipped("watch", "--test-alert", "--debug")
				_ = cmd.Run() // fails in most modes
				if !strings.Contains(b.out.String(), "webhook") || !strings.Contains(b.out.String(), "slack") {
					t.Fatalf("no verdict of both receivers: %s", b.out.String())
				}
				b.search(t, "output", b.out.String(), shape.secrets)
			})
		}
	}
}

// addressFor returns where a receiver of a mode listens, or does not.
func addressFor(t *testing.T, mode string) string {
	t.Helper()
	switch mode {
	case "refused":
		return "127.0.0.1:1"
	case "no such host":
		return "no-such-host.invalid"
	}
	srv := httptest.NewUnstartedServer(misbehave(mode))
	srv.Config.ErrorLog = quietLog()
	srv.Start()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// setHooks points both receivers at one URL.
func (b *watchBench) setHooks(url string) {
	b.env = slices.DeleteFunc(b.env, func(v string) bool { return strings.Contains(v, "_WEBHOOK_URL=") })
	b.env = append(b.env, "SLACK_WEBHOOK_URL="+url, "ALERT_WEBHOOK_URL="+url)
}

// search fails on any secret in text, in any case.
func (b *watchBench) search(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
			t.Errorf("%s shows %q:\n%s", where, s, tailOf(text))
		}
	}
}

// TestWatch_RunningProcessShowsNoSecret looks at everything a running watcher can
// be looked at by: files, /metrics, /healthz, arguments, environment, a stack dump.
func TestWatch_RunningProcessShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"200", "redirect", "404", "500", "not HTTP"} {
		for _, file := range []string{"variable", "file"} {
			t.Run(mode+"/"+file, func(t *testing.T) {
				t.Parallel()
				b := newWatchBench(t)
				shape := secretShapes()["slack"]
				url := fmt.Sprintf(shape.url, addressFor(t, mode))
				b.setHooks(url)
				if file == "file" {
					b.setHookFiles(t, url)
				}
				port := freeAddress(t)
				cmd := b.start("--debug", "--listen", port)
				b.write(answered, 20)
				b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
				b.write(noPool, 4)
				b.until(20*time.Second, "both receivers were tried", func() bool {
					out := b.out.String()
					return tried(out, "slack") && tried(out, "webhook")
				})
				for _, path := range []string{"/metrics", "/healthz", "/"} {
					b.search(t, path, fetchText(t, "http://"+port+path), shape.secrets)
				}
				b.searchProcess(t, cmd.Process.Pid, file == "file", shape.secrets)
				if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil { // a panic's dump
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if !strings.Contains(b.out.String(), "goroutine ") {
					t.Error("no dump")
				}
				b.search(t, "output", b.out.String(), shape.secrets)
				b.searchFiles(t, shape.secrets)
			})
		}
	}
}

// tried reports whether an attempt on a receiver was reported.
func tried(out, receiver string) bool {
	for line := range strings.Lines(out) {
		if e, ok := watch.ParseEntry([]byte(line)); ok && e.Delivery != nil && e.Delivery.Receiver == receiver && e.Delivery.Attempt > 0 {
			return true
		}
	}
	return false
}

// setHookFiles stores the URL in files instead.
func (b *watchBench) setHookFiles(t *testing.T, url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.env = slices.DeleteFunc(b.env, func(v string) bool { return strings.Contains(v, "_WEBHOOK_URL=") })
	b.env = append(b.env, "SLACK_WEBHOOK_URL_FILE="+path, "ALERT_WEBHOOK_URL_FILE="+path)
}

// searchProcess searches what `ps` and, for secrets in files, `docker inspect` show.
func (b *watchBench) searchProcess(t *testing.T, pid int, environToo bool, secrets []string) {
	t.Helper()
	names := []string{"cmdline", "status", "comm"}
	if environToo {
		names = append(names, "environ")
	}
	for _, name := range names {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil || len(data) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		b.search(t, name, string(data), secrets)
	}
}

// searchFiles searches every file of the state directory.
func (b *watchBench) searchFiles(t *testing.T, secrets []string) {
	t.Helper()
	files, err := os.ReadDir(b.state)
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b.search(t, f.Name(), b.file(f.Name()), secrets)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func fetchText(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
