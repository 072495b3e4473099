//go:build e2e

package compose

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"
)

// stage is one engine test's image, network, volume and containers.
type stage struct {
	*Client
	t       *testing.T
	project string
	image   string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c, err := Connect(t.Context(), ConnectOptions{Env: os.Getenv})
	if err != nil {
		t.Fatalf("the engine tests need a Docker engine: %v", err)
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	s := &stage{Client: c, t: t, project: "bgctl-e2e-" + hex.EncodeToString(random)}
	s.image = s.project + ":test"
	t.Cleanup(func() { _ = c.Close() })
	t.Cleanup(s.cleanUp)
	id, built, err := c.BuildSelfImage(t.Context(), SelfImage{Ref: s.image, Executable: buildProbe(t, t.TempDir(), c.info.Arch)})
	if err != nil || !built || !strings.HasPrefix(id, "sha256:") {
		t.Fatalf("build the image: %q, %v, %v", id, built, err)
	}
	return s
}

func (s *stage) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
	defer cancel()
	list, err := s.Containers(ctx, s.project)
	if err != nil {
		s.t.Error(err)
	}
	for _, one := range list {
		if err := s.api.ContainerRemove(ctx, one.ID, container.RemoveOptions{Force: true}); err != nil {
			s.t.Error(err)
		}
	}
	_ = s.api.NetworkRemove(ctx, s.project)
	_ = s.api.VolumeRemove(ctx, s.project, true)
	if _, err := s.api.ImageRemove(ctx, s.image, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
		s.t.Error(err)
	}
}

// cpuTime is what this process has used: the rest of the way is the engine's.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// run starts a container of a service, with change applied to its settings.
func (s *stage) run(service string, change func(*container.Config, *container.HostConfig)) Container {
	s.t.Helper()
	config := &container.Config{Image: s.image, Cmd: []string{"serve"}, Env: []string{"A=b=c"}, Labels: map[string]string{
		projectLabel: s.project, serviceLabel: service, numberLabel: "1", oneoffLabel: "False",
	}}
	host := &container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "unless-stopped"}}
	if change != nil {
		change(config, host)
	}
	created, err := s.api.ContainerCreate(s.t.Context(), config, host, nil, nil, s.project+"-"+service)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Start(s.t.Context(), created.ID); err != nil {
		s.t.Fatal(err)
	}
	return s.look(created.ID)
}

func (s *stage) look(id string) Container {
	s.t.Helper()
	one, err := s.Container(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return one
}

func (s *stage) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("not within 15 s: %s", what)
}

func TestE2E_ContainersAndActs(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	app := s.run("app", func(config *container.Config, _ *container.HostConfig) {
		config.Healthcheck = &container.HealthConfig{
			Test: []string{"CMD", "/bgctl", "health"}, Interval: 300 * time.Millisecond, Timeout: 5 * time.Second, Retries: 9,
		}
	})
	s.run("other", nil)
	s.eventually("healthy", func() bool { return s.look(app.ID).Health == "healthy" })
	list, err := s.Containers(ctx, s.project)
	if err != nil || len(list) != 2 {
		t.Fatalf("containers: %v, %v", list, err)
	}
	found := FindService(list, "app")
	if len(found) != 1 || found[0].ID != app.ID {
		t.Fatalf("service app: %v", found)
	}
	one := found[0]
	if one.HealthOutput != "feeling fine" || !one.Ready() || one.Env["A"] != "b=c" || one.Number != 1 ||
		one.RestartPolicy != "unless-stopped" || one.Pid == 0 || one.StartedAt.IsZero() || one.Image != s.image {
		t.Errorf("container: %+v", one)
	}
	step := func(what string, err error, state string, ready bool) {
		t.Helper()
		if now := s.look(app.ID); err != nil || now.State != state || now.Ready() != ready {
			t.Errorf("%s: %v, state %s, ready %v", what, err, now.State, now.Ready())
		}
	}
	step("pause", s.Pause(ctx, app.ID), "paused", false)
	t.Logf("a paused container reads %s on this engine", s.look(app.ID).Health)
	if _, err := s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "health"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("exec in a paused container: %v", err)
	}
	if err := s.Unpause(ctx, app.ID); err != nil {
		t.Error(err)
	}
	s.eventually("ready after the pause", func() bool { return s.look(app.ID).Ready() })
	step("kill", s.Kill(ctx, app.ID, "KILL"), "exited", false)
	if now := s.look(app.ID); now.ExitCode != 137 {
		t.Errorf("exit code %d", now.ExitCode)
	}
	if err := s.Start(ctx, app.ID); err != nil {
		t.Error(err)
	}
	step("restart", s.Restart(ctx, app.ID, time.Second), "running", false) // health starts again
	step("stop", s.Stop(ctx, app.ID, time.Second), "exited", false)
	if err := s.removeAndWait(ctx, app.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := s.Container(ctx, app.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed container: %v", err)
	}
	if err := s.Kill(ctx, "bgctl-no-such", "KILL"); !errors.Is(err, ErrNotFound) {
		t.Errorf("kill nothing: %v", err)
	}
}

func TestE2E_SelfImage(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	binary := buildProbe(t, t.TempDir(), s.info.Arch)
	id, built, err := s.BuildSelfImage(ctx, SelfImage{Ref: s.image, Executable: binary})
	if err != nil || built {
		t.Errorf("the same binary again: built %v, %v", built, err)
	}
	if got, err := s.ImageID(ctx, s.image); err != nil || got != id {
		t.Errorf("image id %q, %v, want %q", got, err, id)
	}
	if info, err := s.Image(ctx, s.image); err != nil || len(info.Labels[SelfImageLabel]) != 64 {
		t.Errorf("labels %v, %v", info.Labels, err)
	}
	app := s.run("app", func(_ *container.Config, host *container.HostConfig) {
		host.Binds = []string{s.project + ":/var/lib/bgctl"}
	})
	got, err := s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "write", "/var/lib/bgctl/file", "x"}})
	if err != nil || got.ExitCode != 0 {
		t.Errorf("a fresh volume is not writable: %v, %s", err, got.Stderr)
	}
	other := buildProbe(t, t.TempDir(), map[string]string{"amd64": "arm64", "arm64": "amd64"}[s.info.Arch])
	if _, _, err := s.BuildSelfImage(ctx, SelfImage{Ref: s.image, Executable: other}); !errors.Is(err, ErrNotSelfHosting) {
		t.Errorf("foreign architecture: %v", err)
	}
	if _, err := s.ImageID(ctx, "bgctl-no-such:image"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no image: %v", err)
	}
	if err := s.PullImageAs(ctx, "registry.invalid/none:1", ""); err == nil || !strings.Contains(err.Error(), "cannot reach the registry") {
		t.Errorf("pull: %v", err)
	}
}

func TestE2E_Exec(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	app := s.run("app", nil)
	start := time.Now()
	got, err := s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "say", "out", "err", "7"}})
	if err != nil || got.ExitCode != 7 || string(got.Stdout) != "out" || string(got.Stderr) != "err" {
		t.Errorf("exec: %+v, %v", got, err)
	}
	t.Logf("first exec: %v", time.Since(start))
	var took []time.Duration
	for range 20 {
		start := time.Now()
		if _, err := s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "health"}}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("exec latency: median %v, p95 %v", took[10], took[18])
	big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	got, err = s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "cat"}, Stdin: bytes.NewReader(big)})
	if err != nil || !bytes.Equal(got.Stdout, big) {
		t.Errorf("cat: %d bytes, %v", len(got.Stdout), err)
	}
	// Engines differ: a failure of the call, or an exit code as a shell has it.
	got, err = s.Exec(ctx, app.ID, ExecOptions{Cmd: []string{"/no/such"}})
	if err == nil && got.ExitCode != 126 && got.ExitCode != 127 {
		t.Errorf("a missing program: %+v", got)
	}
}

func TestE2E_ExecStream(t *testing.T) {
	s := newStage(t)
	app := s.run("app", nil)
	stream, err := s.ExecStream(t.Context(), app.ID, ExecOptions{Cmd: []string{"/bgctl", "cat"}})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := io.WriteString(stream.Stdin, line); err != nil {
			t.Fatal(err)
		}
		if n, err := stream.Stdout.Read(buf); err != nil || string(buf[:n]) != line {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
	}
	_ = stream.Stdin.Close()
	if code, err := stream.Wait(); code != 0 || err != nil {
		t.Errorf("wait: %d, %v", code, err)
	}
	_ = stream.Close()

	const lines = 1_000_000
	stream, err = s.ExecStream(t.Context(), app.ID, ExecOptions{Cmd: []string{"/bgctl", "spew", "1000000", "270"}})
	if err != nil {
		t.Fatal(err)
	}
	start, cpu := time.Now(), cpuTime(t)
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{stream.Stdout}, make([]byte, 256<<10))
	if err != nil || n != lines*270 {
		t.Errorf("%d bytes, %v", n, err)
	}
	t.Logf("stream: %.0f lines/s of 270 B; this side could take %.0f/s on one core",
		lines/time.Since(start).Seconds(), lines/(cpuTime(t)-cpu).Seconds())
	_ = stream.Close()

	ctx, cancel := context.WithCancel(t.Context())
	stream, err = s.ExecStream(ctx, app.ID, ExecOptions{Cmd: []string{"/bgctl", "hang"}})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := stream.Stdout.Read(buf); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled read: %v", err)
	}
	_ = stream.Close()
	time.Sleep(500 * time.Millisecond)
	inspect, err := s.api.ContainerExecInspect(t.Context(), stream.id)
	t.Logf("a command that reads no stdin after the connection closed: running %v, %v", inspect.Running, err)
}

func TestE2E_Logs(t *testing.T) {
	s := newStage(t)
	for name, tty := range map[string]bool{"plain": false, "terminal": true} {
		app := s.run(name, func(config *container.Config, host *container.HostConfig) {
			config.Tty = tty
			config.Cmd = []string{"log"}
			host.RestartPolicy = container.RestartPolicy{}
		})
		s.eventually("exited", func() bool { return s.look(app.ID).State == "exited" })
		for _, stamped := range []bool{false, true} {
			reader, err := s.Logs(t.Context(), app.ID, LogsOptions{Timestamps: stamped, Follow: true})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for {
				line, err := reader.Next()
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					break
				}
				got = append(got, line.Stream+" "+string(line.Text))
				if line.Time.IsZero() == stamped {
					t.Errorf("%s: time %v", name, line.Time)
				}
			}
			_ = reader.Close()
			second := "stderr second"
			if tty {
				second = "stdout second"
			}
			want := []string{"stdout first", second, "stdout " + strings.Repeat("long", 10000), "stdout no end"}
			slices.Sort(got) // the order between the streams is not fixed
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s stamped %v:\n%.2000s", name, stamped, diff)
			}
		}
	}
}

func TestE2E_EventsAndStats(t *testing.T) {
	s := newStage(t)
	events := s.Events(t.Context(), s.project)
	time.Sleep(300 * time.Millisecond)
	app := s.run("app", nil)
	sample, err := s.Stats(t.Context(), app.ID)
	if err != nil || sample.MemoryBytes == 0 || sample.MemoryLimit == 0 || sample.PIDs == 0 {
		t.Errorf("stats: %+v, %v", sample, err)
	}
	if err := s.Kill(t.Context(), app.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if sample, err := s.Stats(t.Context(), app.ID); err != nil || sample != (Stats{}) {
		t.Errorf("stats of a stopped container: %+v, %v", sample, err)
	}
	var got []string
	for event := range events {
		got = append(got, event.Action)
		if event.Service != "app" || event.ContainerID != app.ID {
			t.Errorf("event %+v", event)
		}
		if event.Action == "die" {
			if event.ExitCode != 137 {
				t.Errorf("die: %+v", event)
			}
			break
		}
	}
	if want := []string{"create", "start", "kill", "die"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}
