//go:build e2e

package main_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	registryUser     = "ana"
	registryPassword = "only-after-login"
)

// registry is a registry with one image that wants a login. The engine takes one on a
// loopback address without TLS.
type registry struct {
	*httptest.Server
	blobs    map[string][]byte // by digest
	manifest []byte
}

// newRegistry serves the shop as NAME:v1.
func newRegistry(t *testing.T) *registry {
	t.Helper()
	if err := shopImages(); err != nil {
		t.Fatal(err)
	}
	r := &registry{blobs: map[string][]byte{}}
	layer := shopLayer(t)
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/shop"}, "Env": []string{"VERSION=pulled"}, "User": "65534:65534"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	part := func(media string, data []byte) map[string]any {
		r.blobs[digest(data)] = data
		return map[string]any{"mediaType": media, "size": len(data), "digest": digest(data)}
	}
	const docker = "application/vnd.docker."
	r.manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": docker + "distribution.manifest.v2+json",
		"config": part(docker+"container.image.v1+json", config),
		"layers": []any{part(docker+"image.rootfs.diff.tar", layer)},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.Close()
		_ = exec.Command("docker", "rmi", "-f", r.image()).Run() // it may never have been pulled
	})
	return r
}

// ServeHTTP answers the calls of a pull to whoever has logged in.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if user != registryUser || password != registryPassword {
		w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	_, last, _ := strings.Cut(req.URL.Path, "/shop/")
	kind, name, _ := strings.Cut(last, "/")
	switch data := r.blobs[name]; {
	case kind == "manifests" && (name == "v1" || name == digest(r.manifest)):
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
		w.Header().Set("Docker-Content-Digest", digest(r.manifest))
		_, _ = w.Write(r.manifest)
	case kind == "blobs" && data != nil:
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
	case last == "":
		w.WriteHeader(http.StatusOK)
	default:
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, http.StatusNotFound)
	}
}

// host is the registry's address, as images name it.
func (r *registry) host() string { return strings.TrimPrefix(r.URL, "http://") }

// image is the reference of the one image.
func (r *registry) image() string { return r.host() + "/shop:v1" }

// login is a Docker configuration with the registry's credentials.
func (r *registry) login(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + registryPassword))
	text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host(), auth)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// digest names a blob.
func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// shopLayer is the root file system of the shop's image.
func shopLayer(t *testing.T) []byte {
	t.Helper()
	id, err := exec.Command("docker", "create", shop("v1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(string(id))
	defer func() { _ = exec.Command("docker", "rm", container).Run() }() // it never ran
	copied, err := exec.Command("docker", "cp", container+":/shop", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	// What the engine sends is a tar of the one file already.
	if _, err := tar.NewReader(bytes.NewReader(copied)).Next(); err != nil {
		t.Fatal(err)
	}
	return copied
}

// Intent: up pulls with the credentials of docker login. A pull that fails, for want of
// them or of the image, changes nothing at all, and the password shows nowhere.
func TestUp_PullsWithTheCredentialsOfTheLogin(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	s := ownShop(t, "pulls", "v1")
	blue, green := s.container(t, "app_blue"), s.container(t, "app_green")
	past := s.history(t)
	unchanged := func(when string, got result) {
		t.Helper()
		if got.code == 0 || strings.Contains(got.out+got.err, registryPassword) {
			t.Errorf("%s: got exit %d, want a failure without the password\n%s%s", when, got.code, got.out, got.err)
		}
		if s.container(t, "app_blue") != blue || s.container(t, "app_green") != green || len(s.history(t)) != len(past) {
			t.Errorf("%s: something was changed", when)
		}
	}
	s.writeEnv(t, s.envFor("blue", shop("v1"), r.image()))
	unchanged("without a login", s.runEnv([]string{"DOCKER_CONFIG=" + t.TempDir()}, "up"))
	login := []string{"DOCKER_CONFIG=" + r.login(t)}
	s.writeEnv(t, s.envFor("blue", shop("v1"), r.host()+"/shop:none"))
	unchanged("an image that is nowhere", s.runEnv(login, "up"))
	s.writeEnv(t, s.envFor("blue", shop("v1"), r.image()))
	if got := s.runEnv(login, "up", "--debug"); got.code != 0 || strings.Contains(got.out+got.err, registryPassword) {
		t.Fatalf("with a login: got exit %d\n%s%s", got.code, got.out, got.err)
	}
	s.must(t, "switch", "green")
	if text, err := ask(t.Context(), s.url()); err != nil || !strings.HasPrefix(text, "shop pulled ") {
		t.Errorf("users get %q, %v; want the image of the registry", text, err)
	}
}
