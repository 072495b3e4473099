package settings_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"bgctl/internal/tui/settings"
)

const whole = `dashboard:
  theme: light
  graph: braille
  window: 15m
  ascii: false
  read_only: true
  mouse: true
  latency_ms: 250
  keys:
    switch: w
    wrap: [W, ctrl+w]
`

// schema compiles the published schema.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid asks the schema.
func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	if v == nil {
		v = map[string]any{}
	}
	return s.Validate(v)
}

func TestParse_ReadsEverySetting(t *testing.T) {
	d, err := settings.Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Dashboard{
		Theme: "light", Graph: "braille", Window: "15m", ReadOnly: true, Mouse: true, LatencyMS: 250,
		Keys: map[string]settings.Keys{"switch": {"w"}, "wrap": {"W", "ctrl+w"}},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

func TestParse_AndTheSchemaAgree(t *testing.T) {
	s := schema(t)
	tests := map[string]struct{ text, want string }{
		"whole":         {whole, ""},
		"empty":         {"", ""},
		"no part":       {"dashboard:\n", ""},
		"unknown part":  {"dashbord: {}\n", `line 1: there is no setting "dashbord"`},
		"unknown key":   {"dashboard:\n  theme: dark\n  colour: red\n", `line 3: there is no setting "colour"`},
		"wrong theme":   {"dashboard: {theme: pink}\n", `dashboard.theme: "pink" is none of auto, dark, light, high-contrast, mono`},
		"wrong graph":   {"dashboard: {graph: pie}\n", `dashboard.graph: "pie"`},
		"wrong window":  {"dashboard: {window: 2m}\n", `dashboard.window: "2m"`},
		"wrong type":    {"dashboard: {mouse: often}\n", "mouse"},
		"negative":      {"dashboard: {latency_ms: -1}\n", "below zero"},
		"no key":        {"dashboard: {keys: {switch: []}}\n", "keys: switch has no key"},
		"key of a kind": {"dashboard: {keys: {switch: {a: b}}}\n", "a key, or a list of keys"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Parse([]byte(tc.text))
			if verr := valid(t, s, tc.text); (verr == nil) != (tc.want == "") {
				t.Errorf("the schema says %v", verr)
			}
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("Parse: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) && !strings.Contains(tc.want, "mouse")):
				t.Errorf("Parse: %v, want %q", err, tc.want)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

func TestParse_NamesBothActsOfAClash(t *testing.T) {
	tests := map[string]string{
		"dashboard: {keys: {switch: K}}":        "K is bound to switch and to kill",
		"dashboard: {keys: {wrap: ctrl+c}}":     "wrap cannot be bound to ctrl+c: that key is fixed",
		"dashboard: {keys: {teleport: x}}":      `there is no act "teleport"`,
		"dashboard: {keys: {find: f, pool: f}}": "f is bound to",
	}
	for text, want := range tests {
		if _, err := settings.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := settings.Parse([]byte("dashboard: {keys: {switch: K, kill: X}}")); err != nil {
		t.Errorf("two acts that change their keys: %v", err)
	}
}

func TestRead_AMissingFileIsEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if d, err := settings.Read(path); err != nil || d.Theme != "" {
		t.Errorf("%+v, %v", d, err)
	}
	if err := os.WriteFile(path, []byte("dashboard: {theme: pink}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Read(path); err == nil || !strings.Contains(err.Error(), path+": dashboard.theme") {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func TestPath_FollowsXDG(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"/h/.config/bgctl/config.yaml": {"HOME": "/h"},
		"/x/bgctl/config.yaml":         {"HOME": "/h", "XDG_CONFIG_HOME": "/x"},
		"/c.yaml":                      {"HOME": "/h", "XDG_CONFIG_HOME": "/x", "BGCTL_CONFIG": "/c.yaml"},
	} {
		if got := settings.Path(func(k string) string { return env[k] }); got != want {
			t.Errorf("Path %v = %s, want %s", env, got, want)
		}
	}
}
