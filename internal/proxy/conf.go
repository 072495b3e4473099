package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	settingsFile = "settings.json"
	// reloadLimit is how long the workers of a new configuration may take to answer.
	reloadLimit = 5 * time.Second
	// settleTime is how long nobody but them has to answer: nginx starts the new workers
	// before it tells the old ones to take no more connections.
	settleTime = 200 * time.Millisecond
	settlePoll = 20 * time.Millisecond
)

// Nginx is the program that a [Conf] is for.
type Nginx interface {
	// Test fails with a [ComplaintError] when nginx would not run with the file at path.
	Test(ctx context.Context, path string) error
	// Reload makes the running nginx read its configuration again.
	Reload() error
}

// ComplaintError is what nginx has against a configuration.
type ComplaintError struct{ Text string }

// Error implements error.
func (e *ComplaintError) Error() string { return "nginx refuses the configuration: " + e.Text }

// Conf is the configuration that nginx runs with, and how it is changed. What was put in
// force outlives a restart of the container, until the container is made anew with
// another environment.
type Conf struct {
	Dir      *Dir
	Env      func(string) string // environment of the container
	Template string              // of nginx.conf
	Path     string              // of nginx.conf
	Log      string              // of the access log
	Resolver string
	Nginx    Nginx
}

// override are the settings that were put in force instead of the container's.
type override struct {
	Base   map[string]string `json:"base"` // the container's environment at that time
	Values map[string]string `json:"values"`
}

// base is what the container's environment says of the settings.
func (c *Conf) base() map[string]string {
	out := map[string]string{}
	for _, name := range SettingNames() {
		out[name] = c.Env(name)
	}
	return out
}

// load returns the settings that count: those that were put in force last, or the
// container's environment when that is another one than it was then.
func (c *Conf) load() (s Settings, overridden bool, err error) {
	var o override
	if c.Dir.readJSON(settingsFile, &o) == nil && maps.Equal(o.Base, c.base()) {
		if s, _, err := LoadSettings(lookup(o.Values), c.Resolver); err == nil {
			return c.place(s), true, nil
		}
	}
	s, _, err = LoadSettings(c.Env, c.Resolver)
	return c.place(s), false, err
}

// place puts in where things are.
func (c *Conf) place(s Settings) Settings {
	s.StateDir, s.AccessLog = c.Dir.Path, c.Log
	return s
}

// lookup reads a map as an environment.
func lookup(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// Start prepares the state directory, writes nginx.conf before nginx starts, and returns
// the pool that is active.
func (c *Conf) Start() (bluegreen.Pool, error) {
	_, seed, err := LoadSettings(c.Env, c.Resolver)
	if err != nil {
		return bluegreen.NoPool, err
	}
	active, err := c.Dir.Init(seed)
	if err != nil {
		return active, err
	}
	s, overridden, err := c.load()
	if err != nil {
		return active, err
	}
	if !overridden {
		if err := c.Dir.change(func() error { return c.Dir.remove(settingsFile, "forget old settings") }); err != nil {
			return active, err
		}
	}
	if err := RegularLog(c.Log); err != nil {
		return active, err
	}
	s.Start = active
	return active, c.render(c.Path, &s)
}

// Limits are those of the rotation of the access log.
func (c *Conf) Limits() (maxSize int64, keep int) {
	s, _, _ := c.load() // what is bad has its default
	return s.LogMaxSize, s.LogKeep
}

// InForce returns the settings that nginx runs with, and what is wrong beside them.
func (c *Conf) InForce() (settings map[string]string, trouble []string) {
	s, _, err := c.load()
	if err != nil {
		trouble = append(trouble, reason(err))
	}
	fi, err := os.Lstat(c.Log)
	switch {
	case err != nil:
		trouble = append(trouble, "the access log cannot be seen: "+err.Error())
	case !fi.Mode().IsRegular():
		trouble = append(trouble, "the access log "+c.Log+" is not a regular file: nobody can read it; restart the proxy")
	case fi.Size() > 2*s.LogMaxSize+rotationSlack:
		trouble = append(trouble, fmt.Sprintf("the log rotation does not work: %s has %d MiB, LOG_MAX_SIZE is %s; see the proxy's log",
			c.Log, fi.Size()>>20, s.Values["LOG_MAX_SIZE"]))
	}
	return s.Values, trouble
}

// rotationSlack is what a busy nginx may write between two looks at the log.
const rotationSlack = 16 << 20

// draft is a configuration that nginx has accepted, in a file beside nginx.conf.
type draft struct {
	Settings
	changed []string
	path    string
}

// Check tests settings and changes nothing. It returns the variables that would change.
func (c *Conf) Check(ctx context.Context, settings map[string]string) ([]string, error) {
	d, err := c.draft(ctx, settings)
	if err != nil {
		return nil, err
	}
	return d.changed, os.Remove(d.path)
}

// Apply tests settings and puts them in force: nginx reads the new file, and a worker
// of the new configuration has answered before Apply returns. A reload that fails is undone.
func (c *Conf) Apply(ctx context.Context, settings map[string]string, generation func(context.Context) (string, error)) ([]string, error) {
	d, err := c.draft(ctx, settings)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(d.path) }() // gone when it was put in force
	if len(d.changed) == 0 {
		return nil, nil
	}
	before := d.path + ".before"
	if err := os.Link(c.Path, before); err != nil {
		return nil, fmt.Errorf("keep the old configuration: %w", err)
	}
	defer func() { _ = os.Remove(before) }() // gone when it was put back
	if err := os.Rename(d.path, c.Path); err != nil {
		return nil, fmt.Errorf("replace the configuration: %w", err)
	}
	// A word to cancel comes too late from here on: the reload is over in a moment.
	ctx = context.WithoutCancel(ctx)
	err = c.reload(ctx, d.Generation, generation)
	if err == nil {
		err = c.keep(d.Values)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the new settings were taken back: %w", err), os.Rename(before, c.Path), c.Nginx.Reload())
	}
	return d.changed, nil
}

// draft renders settings into a file beside nginx.conf and has nginx test it. Nothing is
// left of one that nginx refuses.
func (c *Conf) draft(ctx context.Context, settings map[string]string) (_ *draft, err error) {
	s, _, err := LoadSettings(lookup(settings), c.Resolver)
	if err != nil {
		return nil, &bluegreen.SettingError{Reason: reason(err)}
	}
	old, _, _ := c.load() // what is bad there has its default
	d := draft{Settings: c.place(s), changed: differences(old.Values, s.Values)}
	d.Generation = strconv.FormatInt(time.Now().UnixNano(), 36)
	if d.Start, err = c.Dir.Active(); err != nil {
		return nil, err
	}
	if d.Start == bluegreen.NoPool {
		return nil, errors.New("the proxy's state directory names no active pool: restart the proxy")
	}
	f, err := os.CreateTemp(filepath.Dir(c.Path), filepath.Base(c.Path)+".new-*")
	if err != nil {
		return nil, fmt.Errorf("write the nginx configuration: %w", err)
	}
	d.path = f.Name()
	err = errors.Join(Render(f, c.Template, &d.Settings), f.Close())
	if err == nil {
		err = blame(c.Nginx.Test(ctx, d.path), d.changed, s.Values)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(d.path))
	}
	return &d, nil
}

// blame names the settings that may be the reason of nginx's complaint.
func blame(err error, changed []string, values map[string]string) error {
	var complaint *ComplaintError
	if !errors.As(err, &complaint) {
		return err
	}
	var texts []string
	for _, name := range changed {
		texts = append(texts, fmt.Sprintf("%s=%q", name, values[name]))
	}
	return &bluegreen.SettingError{Reason: cmp.Or(strings.Join(texts, ", "), "the settings") + ": " + complaint.Error()}
}

// differences returns the names under which two sets of values differ, sorted.
func differences(a, b map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if a[name] != b[name] {
			out = append(out, name)
		}
	}
	return out
}

// reload makes nginx read its file and waits until new workers alone answer.
func (c *Conf) reload(ctx context.Context, want string, generation func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	if err := c.Nginx.Reload(); err != nil {
		return err
	}
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	var since time.Time
	for {
		got, err := generation(ctx)
		switch {
		case err != nil || got != want:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= settleTime:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("no worker with the new configuration answered within %s; see the proxy's log", reloadLimit)
		}
	}
}

// keep records what is in force, so that it outlives a restart of the container.
func (c *Conf) keep(values map[string]string) error {
	own, _, err := LoadSettings(c.Env, c.Resolver)
	return c.Dir.change(func() error {
		if err == nil && maps.Equal(own.Values, values) {
			return c.Dir.remove(settingsFile, "forget old settings")
		}
		return c.Dir.writeJSON(settingsFile, override{Base: c.base(), Values: values})
	})
}

// CheckEnv tests what the container's environment says, before the first start. Nothing
// but a temporary file is written.
func (c *Conf) CheckEnv(ctx context.Context) error {
	s, seed, err := LoadSettings(c.Env, c.Resolver)
	if err != nil {
		return err
	}
	s.Start, s.AccessLog = seed, os.DevNull // the log's volume need not be there
	path := c.Path + ".check"
	defer func() { _ = os.Remove(path) }() // it may not be there
	if err := c.render(path, &s); err != nil {
		return err
	}
	none, _, _ := LoadSettings(lookup(nil), c.Resolver) // the defaults are good
	return blame(c.Nginx.Test(ctx, path), differences(none.Values, s.Values), s.Values)
}

// render writes the configuration to path.
func (c *Conf) render(path string, s *Settings) error {
	var text bytes.Buffer
	if err := Render(&text, c.Template, s); err != nil {
		return err
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the nginx configuration: %w", err)
	}
	return nil
}

// reason is an error of [LoadSettings] in one line.
func reason(err error) string {
	var texts []string
	for line := range strings.Lines(err.Error()) {
		texts = append(texts, strings.TrimPrefix(strings.TrimSpace(line), ErrConfig.Error()+": "))
	}
	return strings.Join(texts, "; ")
}
