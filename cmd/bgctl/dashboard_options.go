package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bgctl/internal/tui"
	"bgctl/internal/tui/settings"
)

// screenOptions are how the screen looks: flags, then the environment, then the
// settings file. A file that is wrong is said on the screen and not used.
func (a *app) screenOptions(f *dashboardFlags) (tui.Options, error) {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"theme", f.theme, []string{tui.ThemeAuto, tui.ThemeDark, tui.ThemeLight, tui.ThemeContrast, tui.ThemeMono}},
		{"graph", f.graph, []string{string(tui.GraphBlock), string(tui.GraphBraille), string(tui.GraphASCII)}},
		{"window", f.window, []string{"1m", "5m", "15m", "1h"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return tui.Options{}, usagef("--%s=%q: want one of %s", c.name, c.value, strings.Join(c.allowed, ", "))
		}
	}
	opts := tui.Options{
		Theme: f.theme, Graph: tui.Graph(f.graph), Window: f.window, Charset: tui.CharsetUnicode, Farewell: a.err,
		User: a.holder().User,
	}
	file, err := settings.Read(settings.Path(a.env))
	if err != nil {
		opts.Warnings = append(opts.Warnings, err.Error()+"; the defaults are used")
		file = settings.Dashboard{}
	}
	applySettings(&opts, &file, f)
	if f.readOnly || file.ReadOnly || a.env("BGCTL_READ_ONLY") != "" {
		opts.Access = tui.ReadOnly
	}
	if f.ascii || file.ASCII && !f.set("ascii") {
		opts.Charset = tui.CharsetASCII
	}
	// The convention is any value at all, not only true ones.
	if a.env("NO_COLOR") != "" || a.flags.color == "never" {
		opts.Theme = tui.ThemeMono
	}
	return opts, nil
}

// applySettings takes from the file what no flag says.
func applySettings(opts *tui.Options, file *settings.Dashboard, f *dashboardFlags) {
	if file.Theme != "" && !f.set("theme") {
		opts.Theme = file.Theme
	}
	if file.Graph != "" && !f.set("graph") {
		opts.Graph = tui.Graph(file.Graph)
	}
	if file.Window != "" && !f.set("window") {
		opts.Window = file.Window
	}
	if file.Mouse {
		opts.Mouse = tui.MouseOn
	}
	opts.Latency = f.latency
	if !f.set("latency") {
		opts.Latency = time.Duration(file.LatencyMS * float64(time.Millisecond))
	}
	opts.Keys = file.Bindings()
}

// firstRun reports whether the dashboard is opened for the first time here, and
// remembers that it was. Without a place to remember it is never the first time.
func (a *app) firstRun() bool {
	dir := a.env("XDG_STATE_HOME")
	if dir == "" {
		if a.env("HOME") == "" {
			return false
		}
		dir = filepath.Join(a.env("HOME"), ".local", "state")
	}
	path := filepath.Join(dir, "bgctl", "dashboard-seen")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return false
	}
	return os.WriteFile(path, nil, 0o600) == nil
}

// saver returns what writes a saved screen: a folder of its own in the working
// directory, readable by the operator alone.
func (a *app) saver(project string) func(context.Context, tui.Saved) (string, error) {
	return func(_ context.Context, s tui.Saved) (string, error) {
		name := fmt.Sprintf("bgctl-%s-%s", project, s.At.Format("20060102-150405"))
		dir := filepath.Join(a.dir, name)
		for n := 2; ; n++ {
			err := os.Mkdir(dir, 0o700)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrExist) || n > 100 {
				return "", err
			}
			dir = filepath.Join(a.dir, fmt.Sprintf("%s-%d", name, n))
		}
		for file, text := range map[string]string{
			"screen.txt": s.Text, "screen.ansi": s.ANSI, "screen.svg": s.SVG, "log.txt": s.Log, "metrics.json": string(s.Metrics) + "\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				return "", err
			}
		}
		return filepath.Abs(dir)
	}
}
