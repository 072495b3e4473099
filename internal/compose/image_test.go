package compose

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	godigest "github.com/opencontainers/go-digest"
)

func TestPullImage_GivesOneLine(t *testing.T) {
	tests := []struct {
		name, message, inStream, want string
	}{
		{name: "done", inStream: `{"status":"Downloaded"}`},
		{name: "no tag", message: "manifest for x:1 not found: manifest unknown: manifest unknown", want: "no such tag"},
		{name: "denied", message: "pull access denied for x, repository does not exist or may require 'docker login'", want: "no such repository, or it wants a login"},
		{name: "no registry", message: `Get "https://r.invalid/v2/": dial tcp: lookup r.invalid: no such host`, want: "cannot reach the registry"},
		{name: "in the stream", inStream: `{"status":"Pulling"}` + "\n" + `{"errorDetail":{"message":"toomanyrequests: You have reached"},"error":"x"}`, want: "rate limit"},
		{name: "unknown", inStream: `{"error":"something odd\nwith a stack"}`, want: "pull image x:1: something odd"},
		{name: "cut", inStream: `{"status":`, want: "the connection to the Docker engine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("tag") != "1" {
					t.Errorf("query %v", r.URL.Query())
				}
				if tt.message != "" {
					refuse(w, http.StatusNotFound, tt.message)
					return
				}
				_, _ = io.WriteString(w, tt.inStream)
			}))
			err := c.PullImageAs(t.Context(), "x:1", "")
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestBuildSelfImage_BuildsOnceAndRefusesForeignBinaries(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho this is not a binary at all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	static := buildProbe(t, dir, "amd64")
	var loaded map[string]string
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/images/load":
			loaded = readSelfArchive(t, r.Body)
			_, _ = io.WriteString(w, `{"stream":"Loaded image: x:1\n"}`)
		case loaded == nil:
			refuse(w, http.StatusNotFound, "No such image")
		default:
			answer(t, w, map[string]any{"Id": "sha256:built", "Config": map[string]any{"Labels": loaded}})
		}
	}))
	for _, wantBuilt := range []bool{true, false} {
		id, built, err := c.BuildSelfImage(t.Context(), SelfImage{Ref: "x:1", Executable: static, Labels: map[string]string{"a": "b"}})
		if err != nil || built != wantBuilt || id != "sha256:built" {
			t.Errorf("%q, %v, %v", id, built, err)
		}
	}
	refused := map[string]string{script: "not a Linux binary", buildProbe(t, dir, "arm64"): "made for arm64, the engine runs on amd64"}
	for path, want := range refused {
		_, _, err := c.BuildSelfImage(t.Context(), SelfImage{Ref: "x:1", Executable: path})
		if !errors.Is(err, ErrNotSelfHosting) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "GOARCH=amd64 go build") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, _, err := c.BuildSelfImage(t.Context(), SelfImage{Executable: dir + "/none"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestCheckExecutable_RefusesADynamicBinary(t *testing.T) {
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	for kind, want := range map[elf.ProgType]string{elf.PT_INTERP: "linked dynamically", elf.PT_LOAD: ""} {
		var file bytes.Buffer
		for _, part := range []any{header, elf.Prog64{Type: uint32(kind)}} {
			if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
				t.Fatal(err)
			}
		}
		err := checkExecutable(bytes.NewReader(file.Bytes()), Info{OSType: "linux", Arch: "amd64"})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v", kind, err)
		}
	}
	if err := checkExecutable(strings.NewReader(""), Info{OSType: "windows"}); !errors.Is(err, ErrNotSelfHosting) {
		t.Error(err)
	}
}

// buildProbe cross-compiles: the tests may run on any machine.
func buildProbe(t *testing.T, dir, arch string) string {
	t.Helper()
	out := filepath.Join(dir, "probe-"+arch)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", out, "./testdata/probe")
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// readSelfArchive checks that an archive's parts agree and returns the image's labels.
func readSelfArchive(t *testing.T, body io.Reader) map[string]string {
	t.Helper()
	files := map[string][]byte{}
	for in := tar.NewReader(body); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 || len(manifest[0].Layers) != 1 {
		t.Fatalf("manifest %s: %v", files["manifest.json"], err)
	}
	var config dockerspec.DockerOCIImage
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]]
	if sum := godigest.FromBytes(layer); !slices.Equal(config.RootFS.DiffIDs, []godigest.Digest{sum}) {
		t.Errorf("the configuration names layer %v, it is %s", config.RootFS.DiffIDs, sum)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || config.Config.User != "65532:65532" || manifest[0].RepoTags[0] != "x:1" {
		t.Errorf("%+v, tags %v", config, manifest[0].RepoTags)
	}
	var names []string
	for in := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := in.Next()
		if err != nil {
			break
		}
		names = append(names, header.Name)
		if state := header.Name == "var/lib/bgctl/"; state != (header.Uid == selfUID && header.Gid == selfUID) {
			t.Errorf("%s belongs to %d:%d", header.Name, header.Uid, header.Gid)
		}
	}
	if got := strings.Join(names, " "); got != "var/ var/lib/ var/lib/bgctl/ bgctl" {
		t.Errorf("the layer holds %s", got)
	}
	return config.Config.Labels
}
