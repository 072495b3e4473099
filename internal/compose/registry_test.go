package compose

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRegistryAuth_FindsTheLogin(t *testing.T) {
	dir := t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte("ana:hunter2"))
	text := `{"auths":{"registry.example:5000":{"auth":"` + login + `"},"https://index.docker.io/v1/":{"auth":"` + login + `"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"registry.example:5000/shop:1": "ana", "shop:1": "ana", "docker.io/team/shop": "ana", "elsewhere.example/shop:1": "",
	} {
		encoded, err := RegistryAuth(dir, ref)
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		var got struct{ Username, Password string }
		if encoded != "" {
			raw, err := base64.URLEncoding.DecodeString(encoded)
			if err != nil || json.Unmarshal(raw, &got) != nil || got.Password != "hunter2" {
				t.Errorf("%s: %q is not what the engine wants (%v)", ref, raw, err)
			}
		}
		if got.Username != want {
			t.Errorf("%s: user %q, want %q", ref, got.Username, want)
		}
	}
	if auth, err := RegistryAuth(t.TempDir(), "shop:1"); err != nil || auth != "" {
		t.Errorf("without a login: %q, %v", auth, err)
	}
}

// A helper that fails prints what it has: the error must not repeat a password of it.
func TestRegistryAuth_ErrorOfAHelperShowsNoLogin(t *testing.T) {
	dir := t.TempDir()
	helper := "#!/bin/sh\necho '{\"ServerURL\":\"x\",\"Username\":\"ana\",\"Secret\":\"hunter2\"}'\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-broken"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore":"broken"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	_, err := RegistryAuth(dir, "registry.example/shop:1")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "registry.example") {
		t.Errorf("got %v", err)
	}
}
