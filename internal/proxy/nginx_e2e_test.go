//go:build e2e

package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"bgctl/internal/proxy"
	"bgctl/stack"
)

// names is a name server whose answers a test changes while nginx waits.
type names struct {
	addr string
	blue atomic.Pointer[[4]byte] // nil: there is no such name
}

// green is where the standby listens, on the port that both pools have.
var green = [4]byte{127, 0, 0, 3}

func serveNames(t *testing.T, blue [4]byte) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	n := &names{addr: conn.LocalAddr().String()}
	n.blue.Store(&blue)
	go func() {
		buf := make([]byte, 512)
		for {
			size, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			var m dnsmessage.Message
			if err != nil || m.Unpack(buf[:size]) != nil || len(m.Questions) == 0 {
				continue
			}
			answer, err := n.answer(m)
			if err == nil {
				_, err = conn.WriteTo(answer, from)
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
	}()
	return n
}

func (n *names) answer(m dnsmessage.Message) ([]byte, error) {
	q := m.Questions[0]
	addr := &green
	if strings.HasPrefix(q.Name.String(), "app_blue.") {
		addr = n.blue.Load()
	}
	m.Response, m.Additionals = true, nil
	if addr == nil {
		m.RCode = dnsmessage.RCodeNameError
	} else {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.AResource{A: *addr},
		}}
	}
	return m.Pack()
}

// silent listens on ip and takes no connection: its backlog is full, as if the host had
// gone without a word. It returns the port.
func silent(t *testing.T, ip [4]byte) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for range 2 {
		c, err := net.DialTimeout("tcp", hostPort(ip, port), 200*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	if c, err := net.DialTimeout("tcp", hostPort(ip, port), 200*time.Millisecond); err == nil {
		_ = c.Close()
		t.Fatal("the host that should be silent takes connections")
	}
	return port
}

func hostPort(ip [4]byte, port int) string {
	return net.JoinHostPort(net.IP(ip[:]).String(), strconv.Itoa(port))
}

// echo answers on ip with the method and the body it got.
func echo(t *testing.T, ip [4]byte, port int) {
	t.Helper()
	l, err := net.Listen("tcp", hostPort(ip, port))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, body)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// nginx runs the configuration that the stack runs, on the host's network, and returns
// its address.
func nginx(t *testing.T, port int, resolver string, pairs map[string]string) string {
	t.Helper()
	image := os.Getenv("NGINX_IMAGE")
	if image == "" {
		t.Fatal("NGINX_IMAGE is not set: run make e2e")
	}
	vars := map[string]string{"PORT": strconv.Itoa(port), "PROXY_CONNECT_TIMEOUT": "2500ms"}
	maps.Copy(vars, pairs)
	s, seed, err := proxy.LoadSettings(env(vars), resolver)
	if err != nil {
		t.Fatal(err)
	}
	var free [2]int
	for i := range free {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		free[i] = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
	}
	s.Start, s.Listen, s.PrivatePort, s.AccessLog = seed, fmt.Sprintf("127.0.0.1:%d", free[0]), free[1], "/dev/stdout"
	var conf strings.Builder
	if err := proxy.Render(&conf, stack.NginxTemplate, &s); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("docker", "run", "-d", "--network", "host", "-v", path+":/etc/nginx/nginx.conf:ro",
		"--entrypoint", "nginx", image, "-g", "daemon off;").CombinedOutput()
	if err != nil {
		t.Fatalf("docker run: %v: %s", err, out)
	}
	id := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := exec.Command("docker", "logs", id).CombinedOutput()
			t.Logf("nginx: %s", said)
		}
		if out, err := exec.Command("docker", "rm", "-f", id).CombinedOutput(); err != nil {
			t.Errorf("docker rm: %v: %s", err, out)
		}
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		// It starts before it knows the names, and asks for all of them at once.
		if status, _ := ask(t, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/_bgctl/green/", s.PrivatePort)); status == http.StatusOK {
			time.Sleep(100 * time.Millisecond)
			return "http://" + s.Listen
		}
		if time.Now().After(end) {
			t.Fatal("nginx does not answer")
		}
	}
}

// ask sends one request with a body on a connection of its own.
func ask(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("order 17"))
	if err != nil {
		return 0, err.Error()
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// TestE2E_NameChangesWhileARequestConnects: nginx gives such a request up with 502 instead
// of trying the other pool. No request is lost to that which may be sent again: here not
// a byte of it was sent, so that is every one.
func TestE2E_NameChangesWhileARequestConnects(t *testing.T) {
	t.Parallel()
	blue := [4]byte{127, 0, 0, 2}
	port := silent(t, blue)
	echo(t, green, port)
	dns := serveNames(t, blue)
	url := nginx(t, port, dns.addr, nil)
	var waiting sync.WaitGroup
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch} {
		waiting.Go(func() {
			begin := time.Now()
			status, body := ask(t, method, url+"/orders")
			if status != http.StatusOK || body != method+" order 17" {
				t.Errorf("%s: %d %q", method, status, body)
			}
			if took := time.Since(begin); took < 2*time.Second {
				t.Errorf("%s answered after %s: it did not wait for the silent pool", method, took)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	dns.blue.Store(nil)
	waiting.Wait()
}

// TestE2E_AnAmbiguousPostIsSentOnce: a pool that took a POST and died may have carried it out.
func TestE2E_AnAmbiguousPostIsSentOnce(t *testing.T) {
	t.Parallel()
	for retry, want := range map[string]int{"": http.StatusBadGateway, "on": http.StatusOK, "/orders": http.StatusOK} {
		t.Run("RETRY_NON_IDEMPOTENT="+retry, func(t *testing.T) {
			t.Parallel()
			blue := [4]byte{127, 0, 0, 2}
			l, err := net.Listen("tcp", hostPort(blue, 0))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			port := l.Addr().(*net.TCPAddr).Port
			echo(t, green, port)
			dns := serveNames(t, blue)
			go func() { // reads the request and dies, when the name has changed
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = c.Read(make([]byte, 4096))
					dns.blue.Store(nil)
					time.Sleep(2500 * time.Millisecond)
					_ = c.Close()
				}
			}()
			status, body := ask(t, http.MethodPost, nginx(t, port, dns.addr, map[string]string{"RETRY_NON_IDEMPOTENT": retry})+"/orders")
			if status != want {
				t.Errorf("%d %q, want %d", status, body, want)
			}
		})
	}
}
