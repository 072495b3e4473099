package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
)

// ExamineRequest says what is to be looked at in the proxy's container. A part that is
// empty is left out.
type ExamineRequest struct {
	Conf  string                      `json:"conf,omitempty"`  // a candidate for nginx.conf
	Watch time.Duration               `json:"watch,omitempty"` // how long the growth of the log is watched
	Pools map[bluegreen.Pool][]string `json:"pools,omitempty"` // addresses with ports, to be dialled
	Idle  time.Duration               `json:"idle,omitempty"`  // how long an idle connection to each pool is watched
}

// Examination is what can only be seen from inside the proxy's container. Its texts
// are foreign.
type Examination struct {
	Version  string                        `json:"version"` // of the bgctl in the container
	Now      time.Time                     `json:"now"`
	Seed     bool                          `json:"seed"`  // the state directory has its sentinel
	Flags    []string                      `json:"flags"` // in active/: exactly one is right
	Conf     *ConfTest                     `json:"conf,omitempty"`
	Log      LogExam                       `json:"log"`
	Disks    []Disk                        `json:"disks"`
	Rotation bool                          `json:"rotation"` // the process that rotates the log is alive
	Traffic  *Traffic                      `json:"traffic,omitempty"`
	Pools    map[bluegreen.Pool]PoolExam   `json:"pools,omitempty"`
	Idle     map[bluegreen.Pool][]IdleExam `json:"idle,omitempty"`
}

// ConfTest is what nginx -t says of the candidate.
type ConfTest struct {
	OK     bool   `json:"ok"`
	Output string `json:"output,omitempty"`
}

// Traffic is what was seen of requests and of the log in the same time.
type Traffic struct {
	Requests uint64        `json:"requests"` // this examination's own ones are not counted
	Grown    bool          `json:"grown"`    // the log got longer, or is a new file
	Over     time.Duration `json:"over"`
}

// Disk is the file system behind a directory.
type Disk struct {
	Path  string `json:"path"`
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"` // for others than root
	Files uint64 `json:"files"`
	Left  uint64 `json:"left"` // files that can still be made
}

// Examiner looks at the container that it runs in.
type Examiner struct {
	Version string
	Dir     *Dir
	Private *Private
	LogPath string
	Proc    string // /proc
	Nginx   string // the program, "nginx"
	Disks   []string
}

// NewExaminer returns an examiner of the proxy's container.
func NewExaminer(version string) *Examiner {
	return &Examiner{
		Version: version, Dir: &Dir{Path: StateDir}, Private: NewPrivate(), LogPath: AccessLog,
		Proc: "/proc", Nginx: "nginx", Disks: []string{"/", StateDir, LogDir, os.TempDir()},
	}
}

// confLimit bounds nginx -t, which resolves names.
const confLimit = 3 * time.Second

// Examine looks at everything that is asked for, all at once.
func (e *Examiner) Examine(ctx context.Context, req *ExamineRequest) Examination {
	x := Examination{Version: e.Version, Now: time.Now(), Rotation: e.rotates()}
	_, err := os.Stat(e.Dir.path("seed"))
	x.Seed = err == nil
	x.Flags = names(e.Dir.path("active"))
	x.Log = e.log()
	for _, path := range e.Disks {
		if d, err := diskOf(path); err == nil {
			x.Disks = append(x.Disks, d)
		}
	}
	var jobs sync.WaitGroup
	if req.Conf != "" {
		jobs.Go(func() { x.Conf = e.testConf(ctx, req.Conf) })
	}
	if req.Watch > 0 {
		jobs.Go(func() { x.Traffic = e.traffic(ctx, req.Watch) })
	}
	if len(req.Pools) > 0 && req.Idle == 0 {
		jobs.Go(func() { x.Pools = e.pools(ctx, req.Pools) })
	}
	if req.Idle > 0 {
		jobs.Go(func() { x.Idle = e.idle(ctx, req.Pools, req.Idle) })
	}
	jobs.Wait()
	return x
}

// names are the files of a directory.
func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := make([]string, 0, len(entries))
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out
}

// testConf lets nginx read a candidate; what runs is not touched.
func (e *Examiner) testConf(ctx context.Context, conf string) *ConfTest {
	f, err := os.CreateTemp("", "bgctl-candidate-*.conf")
	if err != nil {
		return &ConfTest{Output: err.Error()}
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is in a tmpfs
	_, err = io.WriteString(f, conf)
	if err = errors.Join(err, f.Close()); err != nil {
		return &ConfTest{Output: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, confLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, e.Nginx, "-t", "-q", "-e", "stderr", "-c", f.Name()).CombinedOutput() //nolint:gosec // this image's nginx
	text := string(bytes.ReplaceAll(bytes.TrimSpace(out), []byte(f.Name()), []byte("nginx.conf")))
	if err != nil && text == "" {
		text = err.Error()
	}
	return &ConfTest{OK: err == nil, Output: text}
}

// traffic compares the requests that nginx counts with the log that it writes.
func (e *Examiner) traffic(ctx context.Context, over time.Duration) *Traffic {
	_, before, err := e.Private.Stub(ctx)
	if err != nil {
		return nil
	}
	was, wasErr := os.Stat(e.LogPath)
	begun := time.Now()
	timer := time.NewTimer(over)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil
	}
	_, after, err := e.Private.Stub(ctx)
	if err != nil || after < before {
		return nil // nginx was started anew meanwhile
	}
	is, isErr := os.Stat(e.LogPath)
	grown := isErr == nil && (wasErr != nil || !os.SameFile(was, is) || is.Size() > was.Size())
	// The second question is the only request of our own between the two answers.
	return &Traffic{Requests: max(after-before, 1) - 1, Grown: grown, Over: time.Since(begun)}
}

// rotates reports whether a process that rotates the log is alive: the first one, or in an
// older container one of its own.
func (e *Examiner) rotates() bool {
	files, err := filepath.Glob(filepath.Join(e.Proc, "[0-9]*", "cmdline"))
	if err != nil {
		return false
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // below the process directory
		if err != nil {
			continue
		}
		for _, verb := range []string{"run", "rotate"} {
			if bytes.Contains(text, []byte("agent\x00"+verb+"\x00")) {
				return true
			}
		}
	}
	return false
}
