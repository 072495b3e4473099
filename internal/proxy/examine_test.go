package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// examinee is a container's insides: directories, processes, and an nginx whose private
// listener answers.
type examinee struct {
	*Examiner
	t        *testing.T
	requests atomic.Uint64
	status   atomic.Int64
}

func newExaminee(t *testing.T) *examinee {
	t.Helper()
	e := &examinee{t: t}
	e.status.Store(http.StatusOK)
	nginx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_bgctl/stub" {
			fmt.Fprintf(w, "Active connections: 1 \nserver accepts handled requests\n 1 1 %d \nReading: 0\n", e.requests.Add(1))
			return
		}
		w.Header().Set("X-App-Pool", "green")
		w.Header().Set("X-Release-Id", "r7")
		w.WriteHeader(int(e.status.Load()))
	}))
	t.Cleanup(nginx.Close)
	root := t.TempDir()
	private := NewPrivate()
	private.Base = nginx.URL
	e.Examiner = &Examiner{
		Version: "v1", Dir: &Dir{Path: filepath.Join(root, "state")}, Private: private,
		LogPath: filepath.Join(root, "log", "access.log"), Proc: filepath.Join(root, "proc"), Nginx: filepath.Join(root, "nginx"),
		Disks: []string{root, filepath.Join(root, "none")},
	}
	for _, dir := range []string{"log", "proc/1/fd", "proc/7"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	e.write(e.LogPath, "one\ntwo\ntorn")
	e.write(e.Proc+"/7/cmdline", "/usr/local/bin/bgctl\x00agent\x00run\x00")
	if err := os.Symlink(e.LogPath, e.Proc+"/1/fd/5"); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *examinee) write(path, text string) {
	e.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		e.t.Fatal(err)
	}
}

func (e *examinee) remove(path string) {
	e.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		e.t.Fatal(err)
	}
}

// Intent: a container that is well is described as it is, and left as it is.
func TestExaminer_DescribesWhatIs(t *testing.T) {
	e := newExaminee(t)
	e.write(e.LogPath+".1", "old\n")
	x := e.Examine(t.Context(), &ExamineRequest{})
	if !x.Seed || !slices.Equal(x.Flags, []string{"blue"}) || !x.Rotation || x.Version != "v1" {
		t.Errorf("%+v", x)
	}
	if l := x.Log; l.Kind != KindFile || l.Size != 12 || l.All != 16 || l.Rotated != 1 || l.Elsewhere != "" || !slices.Equal(l.Last, []string{"one", "two"}) {
		t.Errorf("log: %+v", l)
	}
	if len(x.Disks) != 1 || x.Disks[0].Total == 0 || x.Disks[0].Free > x.Disks[0].Total {
		t.Errorf("disks: %+v", x.Disks)
	}
	if x.Conf != nil || x.Traffic != nil || x.Pools != nil || x.Idle != nil {
		t.Errorf("it did what nobody asked for: %+v", x)
	}
}

// Intent: each way in which the log is not the file that nginx writes is told.
func TestExaminer_LogThatIsNoFile(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(e *examinee)
		want string // kind, or else where nginx writes
	}{
		"link":      {func(e *examinee) { e.remove(e.LogPath); _ = os.Symlink("/dev/stdout", e.LogPath) }, "a symbolic link to /dev/stdout"},
		"missing":   {func(e *examinee) { e.remove(e.LogPath) }, "missing"},
		"directory": {func(e *examinee) { e.remove(e.LogPath); _ = os.Mkdir(e.LogPath, 0o755) }, "a directory"},
		"replaced": {func(e *examinee) {
			_ = os.Rename(e.LogPath, e.LogPath+".1")
			e.remove(e.Proc + "/1/fd/5")
			_ = os.Symlink(e.LogPath+".1", e.Proc+"/1/fd/5")
			e.write(e.LogPath, "new\n")
		}, "access.log.1"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExaminee(t)
			tt.make(e)
			x := e.Examine(t.Context(), &ExamineRequest{}).Log
			if x.Kind != tt.want && (x.Kind != KindFile || !strings.HasSuffix(x.Elsewhere, tt.want)) {
				t.Errorf("%+v", x)
			}
		})
	}
}

// Intent: of a long log only whole lines of its end are read.
func TestExaminer_ReadsTheEndOfALongLog(t *testing.T) {
	e := newExaminee(t)
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "line %05d\n", i)
	}
	e.write(e.LogPath, b.String())
	last := e.Examine(t.Context(), &ExamineRequest{}).Log.Last
	if len(last) != lastLines || last[0] != "line 19950" || last[lastLines-1] != "line 19999" {
		t.Errorf("%d lines, %q to %q", len(last), last[0], last[len(last)-1])
	}
}

// Intent: a dead rotation, a lost seed and a second flag are seen.
func TestExaminer_SeesWhatIsMissing(t *testing.T) {
	e := newExaminee(t)
	e.remove(e.Proc + "/7")
	e.remove(e.Dir.path("seed"))
	e.write(e.Dir.path("active/green"), "")
	x := e.Examine(t.Context(), &ExamineRequest{})
	if x.Rotation || x.Seed || len(x.Flags) != 2 {
		t.Errorf("%+v", x)
	}
}

// Intent: the candidate is tested as a file of its own, which is removed.
func TestExaminer_TestsACandidate(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e := newExaminee(t)
	e.write(e.Nginx, "#!/bin/sh\ngrep -q good \"$6\" || { echo \"[emerg] bad directive in $6:1\" >&2; exit 1; }\n")
	if x := e.Examine(t.Context(), &ExamineRequest{Conf: "good"}); x.Conf == nil || !x.Conf.OK {
		t.Errorf("a good one: %+v", x.Conf)
	}
	if x := e.Examine(t.Context(), &ExamineRequest{Conf: "wrong"}); x.Conf.OK || x.Conf.Output != "[emerg] bad directive in nginx.conf:1" {
		t.Errorf("a bad one: %+v", x.Conf)
	}
	if left := names(os.TempDir()); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Intent: requests are compared with the growth of the log; our own do not count.
func TestExaminer_ComparesRequestsWithTheLog(t *testing.T) {
	e := newExaminee(t)
	if x := e.Examine(t.Context(), &ExamineRequest{Watch: 50 * time.Millisecond}).Traffic; x == nil || x.Requests != 0 || x.Grown {
		t.Errorf("a quiet log: %+v", x)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			e.requests.Add(1)
			time.Sleep(time.Millisecond)
		}
	}()
	if x := e.Examine(t.Context(), &ExamineRequest{Watch: 50 * time.Millisecond}).Traffic; x == nil || x.Requests < 5 || x.Grown {
		t.Errorf("a log that stands still: %+v", x)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		f, err := os.OpenFile(e.LogPath, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, _ = f.WriteString("more\n")
			_ = f.Close()
		}
	}()
	if x := e.Examine(t.Context(), &ExamineRequest{Watch: 200 * time.Millisecond}).Traffic; x == nil || !x.Grown {
		t.Errorf("a log that grows: %+v", x)
	}
}

// Intent: pools are asked through nginx and dialled; a refusal is told from a silence.
func TestExaminer_AsksThePools(t *testing.T) {
	e := newExaminee(t)
	app, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := app.Addr().String()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut := closed.Addr().String()
	_ = closed.Close()
	t.Cleanup(func() { _ = app.Close() })
	req := &ExamineRequest{Pools: map[bluegreen.Pool][]string{bluegreen.Green: {open, shut}}}
	x := e.Examine(t.Context(), req).Pools[bluegreen.Green]
	if x.Status != 200 || x.Pool != bluegreen.Green || x.Release != "r7" || x.Health != "/healthz" || len(x.Dials) != 2 {
		t.Fatalf("%+v", x)
	}
	if x.Dials[0].Err != "" || !x.Dials[1].Refused {
		t.Errorf("dials: %+v", x.Dials)
	}
	e.status.Store(http.StatusNotFound)
	if x := e.Examine(t.Context(), req).Pools[bluegreen.Green]; x.Status != 404 || x.Err != "" {
		t.Errorf("404: %+v", x)
	}
}

// Intent: what an application does with an idle connection is measured.
func TestExaminer_WatchesIdleConnections(t *testing.T) {
	const limit = 100 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	serve := func(change func(*http.Server)) string {
		s := httptest.NewUnstartedServer(handler)
		change(s.Config)
		s.Start()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	e := newExaminee(t)
	x := e.Examine(t.Context(), &ExamineRequest{Idle: 10 * limit, Pools: map[bluegreen.Pool][]string{
		bluegreen.Blue:  {serve(func(s *http.Server) { s.IdleTimeout = limit })},
		bluegreen.Green: {serve(func(s *http.Server) { s.SetKeepAlivesEnabled(false) })},
	}})
	if b := x.Idle[bluegreen.Blue]; len(b) != 1 || b[0].Closed < limit/2 || b[0].Closed > 8*limit || b[0].Err != "" {
		t.Errorf("it ends idle connections: %+v", b)
	}
	if g := x.Idle[bluegreen.Green]; len(g) != 1 || !g[0].Closes || g[0].Err != "" {
		t.Errorf("it keeps none: %+v", g)
	}
	if x.Pools != nil {
		t.Error("the pools were asked besides")
	}
	x = e.Examine(t.Context(), &ExamineRequest{Idle: limit, Pools: map[bluegreen.Pool][]string{bluegreen.Blue: {serve(func(*http.Server) {})}}})
	if b := x.Idle[bluegreen.Blue]; len(b) != 1 || b[0] != (IdleExam{Addr: b[0].Addr}) {
		t.Errorf("it keeps them: %+v", b)
	}
}
