// Package settings reads the dashboard's part of the configuration file,
// $XDG_CONFIG_HOME/bgctl/config.yaml. Flags and the environment win over it.
//
// It is strict: a key it does not know, a value that makes no sense and a key bound
// twice are errors that name the line or both acts. It reads, it does not decide
// what to do about an error.
package settings

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"bgctl/internal/tui"
)

// Schema is the JSON schema of the file.
//
//go:embed config.schema.json
var Schema []byte

// File is the configuration file. Other commands may add parts of their own.
type File struct {
	Dashboard Dashboard `yaml:"dashboard"`
}

// Dashboard is how the screen looks. What is not set is left to the defaults.
type Dashboard struct {
	Theme     string          `yaml:"theme"`
	Graph     string          `yaml:"graph"`
	Window    string          `yaml:"window"`
	ASCII     bool            `yaml:"ascii"`
	ReadOnly  bool            `yaml:"read_only"`
	Mouse     bool            `yaml:"mouse"`
	LatencyMS float64         `yaml:"latency_ms"`
	Keys      map[string]Keys `yaml:"keys"`
}

// Keys are the keys of one act: one, or a list.
type Keys []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (k *Keys) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*k = Keys{node.Value}
		return nil
	}
	var list []string
	if err := node.Decode(&list); err != nil {
		return fmt.Errorf("line %d: a key, or a list of keys", node.Line)
	}
	*k = list
	return nil
}

// Path is where the file is, by the rules of XDG.
func Path(env func(string) string) string {
	if p := env("BGCTL_CONFIG"); p != "" {
		return p
	}
	dir := env("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(env("HOME"), ".config")
	}
	return filepath.Join(dir, "bgctl", "config.yaml")
}

// Read reads the file at path. A file that is not there is an empty one.
func Read(path string) (Dashboard, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if errors.Is(err, fs.ErrNotExist) {
		return Dashboard{}, nil
	}
	if err != nil {
		return Dashboard{}, fmt.Errorf("read the settings: %w", err)
	}
	d, err := Parse(data)
	if err != nil {
		return Dashboard{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// unknown finds what the YAML package says of a key that no field has.
var unknown = regexp.MustCompile(`line (\d+): field (\S+) not found in type \S+`)

// Parse reads the text of the file.
func Parse(data []byte) (Dashboard, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var f File
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		if m := unknown.FindStringSubmatch(err.Error()); m != nil {
			return Dashboard{}, fmt.Errorf("line %s: there is no setting %q", m[1], m[2])
		}
		return Dashboard{}, errors.New(oneLine(err.Error()))
	}
	return f.Dashboard, f.Dashboard.check()
}

// oneLine joins what the YAML package says over several lines.
func oneLine(text string) string {
	text = strings.TrimPrefix(text, "yaml: ")
	return strings.Join(strings.Fields(text), " ")
}

// check reports the first value that makes no sense.
func (d *Dashboard) check() error {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"theme", d.Theme, []string{tui.ThemeAuto, tui.ThemeDark, tui.ThemeLight, tui.ThemeContrast, tui.ThemeMono}},
		{"graph", d.Graph, []string{string(tui.GraphBlock), string(tui.GraphBraille), string(tui.GraphASCII)}},
		{"window", d.Window, []string{"1m", "5m", "15m", "1h"}},
	} {
		if c.value != "" && !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("dashboard.%s: %q is none of %s", c.name, c.value, strings.Join(c.allowed, ", "))
		}
	}
	if d.LatencyMS < 0 {
		return fmt.Errorf("dashboard.latency_ms: %v is below zero", d.LatencyMS)
	}
	return tui.CheckKeys(d.Bindings())
}

// Bindings are the keys in the form that [tui.Options] takes.
func (d *Dashboard) Bindings() map[string][]string {
	out := make(map[string][]string, len(d.Keys))
	for name, keys := range d.Keys {
		out[name] = keys
	}
	return out
}
