package compose

import (
	"archive/tar"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

const deliverFile = `
name: f
services:
  web:
    image: app:1
    read_only: true
    secrets: [hook, other]
    volumes: ["secrets:/run/secrets"]
  plain: {image: app:1, secrets: [hook]}
volumes: {secrets: {}}
secrets: {hook: {file: /host/hook}, other: {file: /host/other}}
`

func delivered(t *testing.T, content string) *Project {
	t.Helper()
	p := loadText(t, deliverFile)
	files := p.SecretFiles("web")
	if len(files) != 2 || files[0] != (SecretFile{Source: "hook", File: "/host/hook", Target: "/run/secrets/hook"}) {
		t.Fatalf("files %+v", files)
	}
	if !p.Deliver("web", files[0], content, Owner{UID: 7, GID: 8}) {
		t.Fatal("not delivered")
	}
	return p
}

// A delivered secret is neither mounted nor part of what `docker inspect` shows.
func TestDeliver_ReplacesTheBindMount(t *testing.T) {
	p := delivered(t, "s3cr3t")
	made, err := blueprint{project: p, service: p.Services["web"], number: 1, apiVersion: "1.41"}.spec()
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, m := range made.Host.Mounts {
		sources = append(sources, m.Source)
	}
	if got := strings.Join(sources, " "); got != "/host/other" {
		t.Errorf("mounts of %q", got)
	}
	for key, label := range made.Config.Labels {
		if strings.Contains(key+label+strings.Join(made.Config.Env, " "), "s3cr3t") {
			t.Errorf("%s=%s", key, label)
		}
	}
	if p.Deliver("plain", p.SecretFiles("plain")[0], "x", Owner{}) {
		t.Error("delivered without a volume")
	}
	// docker compose sees the same service, so that either tool takes over.
	with, err := ServiceHash(p.Services["web"])
	if err != nil {
		t.Fatal(err)
	}
	without, err := ServiceHash(loadText(t, deliverFile).Services["web"])
	if err != nil || with != without {
		t.Errorf("hash %s, without delivery %s, %v", with, without, err)
	}
}

func TestDeliver_WritesForTheOwnerOnly(t *testing.T) {
	var got []string
	server := fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		archive := tar.NewReader(r.Body)
		header, err := archive.Next()
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(archive)
		if err != nil || header.Mode != 0o400 || header.Uid != 7 || header.Gid != 8 {
			t.Errorf("header %+v, %v", header, err)
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("path")+" "+header.Name+" "+string(text))
		if r.URL.Query().Get("copyUIDGID") == "true" {
			t.Error("the engine would give the file to the container's user")
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	c := connectTo(t, server)
	p := delivered(t, "s3cr3t")
	if err := c.injectFiles(t.Context(), p, p.Services["web"], "id"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != "PUT /containers/id/archive /run/secrets hook s3cr3t" {
		t.Errorf("got %q", got)
	}
}

func TestDeliver_FailureNamesTheSecretAndNotItsContent(t *testing.T) {
	server := fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		refuse(w, http.StatusInternalServerError, "cannot unpack "+string(bytes.Trim(body, "\x00")))
	})
	c := connectTo(t, server)
	p := delivered(t, "s3cr3t")
	err := c.injectFiles(t.Context(), p, p.Services["web"], "id")
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "hook") {
		t.Errorf("got %v", err)
	}
	// Without a content there is nothing to lose: docker compose's bind mount may be in the way.
	p = delivered(t, "")
	if err := c.injectFiles(t.Context(), p, p.Services["web"], "id"); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestPlanUp_RecreatesForADeliveredSecret(t *testing.T) {
	const want = "recreate container f-web-1: contents of configs or secrets changed\n"
	for _, tt := range []struct {
		name, before, after, want string
		compose                   bool // docker compose made the container
	}{
		{"same", "a", "a", "", false},
		{"another content", "a", "b", want, false},
		{"emptied", "a", "", want, false},
		{"none, by docker compose", "", "", "", true},
		{"new, by docker compose", "", "a", want, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := settled(t, delivered(t, tt.before))
			if tt.compose {
				for i := range seen.Containers {
					delete(seen.Containers[i].Labels, filesHashLabel)
				}
			}
			plan, err := PlanUp(delivered(t, tt.after), seen, UpOptions{})
			if err != nil || plan.String() != tt.want {
				t.Errorf("got %q, %v", plan, err)
			}
		})
	}
}
