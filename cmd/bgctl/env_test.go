//go:build !e2e

package main

import (
	"os"
	"path/filepath"
	"testing"

	"bgctl/internal/deployment"
)

func TestSetEnv_ChangesOneValueAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", "", "ACTIVE_POOL=green\n"},
		{"missing", "A=1\n", "A=1\nACTIVE_POOL=green\n"},
		{"no newline at the end", "A=1", "A=1\nACTIVE_POOL=green\n"},
		{"plain", "A=1\nACTIVE_POOL=blue\nB=2\n", "A=1\nACTIVE_POOL=green\nB=2\n"},
		{"export and spaces", "export ACTIVE_POOL = blue\n", "export ACTIVE_POOL =green\n"},
		{"quoted", `ACTIVE_POOL="blue"` + "\n", "ACTIVE_POOL=green\n"},
		{"comment behind", "ACTIVE_POOL=blue # now\n", "ACTIVE_POOL=green # now\n"},
		{"comment before", "#ACTIVE_POOL=blue\n", "#ACTIVE_POOL=blue\nACTIVE_POOL=green\n"},
		{"the last one counts", "ACTIVE_POOL=blue\nACTIVE_POOL=blue\n", "ACTIVE_POOL=blue\nACTIVE_POOL=green\n"},
		{"windows line ends", "ACTIVE_POOL=blue\r\nB=2\r\n", "ACTIVE_POOL=green\r\nB=2\r\n"},
		{"in step already", "ACTIVE_POOL='green'\n", "ACTIVE_POOL='green'\n"},
		{"another name with the same start", "ACTIVE_POOL_X=1\n", "ACTIVE_POOL_X=1\nACTIVE_POOL=green\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := setEnv(tt.text, "ACTIVE_POOL", "green"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSaveEnv_KeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real"), filepath.Join(dir, ".env")
	if err := os.WriteFile(path, []byte("ACTIVE_POOL=blue\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := saveEnv(link, deployment.Variable{Name: "ACTIVE_POOL", Value: "green"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "ACTIVE_POOL=green\n" {
		t.Errorf("%q, %v", text, err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced by a file")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Intent: the .env that bgctl changes and examines is the one that compose reads.
func TestEnvPath_IsTheOneThatComposeReads(t *testing.T) {
	for _, tt := range []struct {
		flags globalFlags
		env   string
		want  string
	}{
		{globalFlags{}, "", "/work/.env"},
		{globalFlags{files: []string{"shop/compose.yaml", "more.yaml"}}, "", "/work/shop/.env"},
		{globalFlags{files: []string{"/srv/compose.yaml"}}, "other/compose.yaml", "/srv/.env"},
		{globalFlags{}, "shop/compose.yaml:more.yaml", "/work/shop/.env"},
		{globalFlags{files: []string{"shop/compose.yaml"}, envFiles: []string{"a.env", "b.env"}}, "", "/work/b.env"},
	} {
		a := &app{dir: "/work", flags: tt.flags, env: func(name string) string {
			if name == "COMPOSE_FILE" {
				return tt.env
			}
			return ""
		}}
		if got := a.envPath(); got != tt.want {
			t.Errorf("%+v, COMPOSE_FILE=%q: %s, want %s", tt.flags, tt.env, got, tt.want)
		}
	}
}
