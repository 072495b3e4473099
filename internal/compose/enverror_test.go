package compose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// envCases are environment files with a mistake. None of their errors may show s3cr3t.
func envCases() map[string]struct {
	text, name string
	line       int
} {
	long := strings.Repeat("s3cr3t", 10)
	return map[string]struct {
		text, name string
		line       int
	}{
		"no closing quote":         {"A=1\n\nHOOK=\"https://h/s3cr3t\nB=2\n", "HOOK", 3},
		"no closing single quote":  {"HOOK='https://h/s3cr3t\n# end\n", "HOOK", 1},
		"exported":                 {"A=1\nexport HOOK=\"s3cr3t", "HOOK", 2},
		"colon":                    {"A=1\nHOOK: \"s3cr3t", "HOOK", 2},
		"several lines, then that": {"A=\"1\n2\n3\"\nHOOK=\"s3cr3t\n", "HOOK", 4},
		"a value alone":            {"A=1\nmy s3cr3t is here\n", "", 2},
		"bad character":            {"A=1\ns3cr3t/value=1\n", "", 2},
		"a line of a key":          {"KEY=-----BEGIN\n" + long + "=\"\n", "", 2},
		"bad variable":             {"A=1\nHOOK=https://h/s3cr3t${\nB=1\n", "HOOK", 2},
		"required variable":        {"A=1\nHOOK=${NOT_SET:?s3cr3t}\n", "HOOK", 2},
	}
}

func TestLoad_ErrorsOfEnvFilesNameThePlaceAndNoValue(t *testing.T) {
	for name, tt := range envCases() {
		for _, kind := range []string{".env", "--env-file", "env_file"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				opts := LoadOptions{WorkingDir: dir, ProjectName: "shop"}
				content := "services: {web: {image: 'shop:1'}}"
				file := filepath.Join(dir, ".env")
				switch kind {
				case "--env-file":
					good := filepath.Join(dir, "good.env")
					file = filepath.Join(dir, "own.env")
					writeFile(t, good, "G=1\n")
					opts.EnvFiles = []string{good, file}
				case "env_file":
					file = filepath.Join(dir, "web.env")
					content = "services: {web: {image: 'shop:1', env_file: web.env}}"
				}
				writeFile(t, file, tt.text)
				opts.Embedded = &Embedded{Name: "compose.yaml", Content: []byte(content)}
				_, err := Load(t.Context(), opts)
				var at *EnvFileError
				if !errors.As(err, &at) {
					t.Fatalf("got %v", err)
				}
				if at.File != file || at.Line != tt.line || at.Name != tt.name || at.Why == "" {
					t.Errorf("got %+v, want line %d, name %q", at, tt.line, tt.name)
				}
				if text := err.Error(); strings.Contains(text, "s3cr3t") || strings.Contains(text, "\n") {
					t.Errorf("the error is %q", text)
				}
			})
		}
	}
}

func TestLoad_ErrorOfTheComposeFileShowsNoValue(t *testing.T) {
	_, err := Load(t.Context(), LoadOptions{WorkingDir: t.TempDir(), ProjectName: "shop", Embedded: &Embedded{
		Name: "compose.yaml", Content: []byte("services: {web: {image: 'shop:1', environment: {DB_PASSWORD: 's3cr3t${'}}}"),
	}})
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "DB_PASSWORD") {
		t.Errorf("got %v", err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
