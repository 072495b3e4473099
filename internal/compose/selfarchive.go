package compose

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	godigest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// selfArchive is the image as `docker save` would write it: one layer, the configuration
// and the manifest that names them. Equal executables give equal archives, byte for byte.
type selfArchive struct {
	config   []byte
	manifest []byte
	binary   *os.File
	size     int64 // of the binary, bytes
	layer    int64 // size of the layer, bytes
}

// The names in the archive are free; the manifest says which is which.
const (
	selfConfigName = "config.json"
	selfLayerName  = "layer.tar"
)

// epoch keeps the layer and the configuration equal for equal binaries.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

func newSelfArchive(self SelfImage, engine Info, binary *os.File, size int64) (*selfArchive, error) {
	a := &selfArchive{binary: binary, size: size}
	hash := sha256.New()
	counted := &countingWriter{w: hash}
	if err := a.writeLayer(counted); err != nil {
		return nil, fmt.Errorf("sum up the image's layer: %w", err)
	}
	a.layer = counted.n
	var err error
	if a.config, err = json.Marshal(selfConfig(self, engine, godigest.NewDigest(godigest.SHA256, hash), committed(binary))); err != nil {
		return nil, fmt.Errorf("encode the image's configuration: %w", err)
	}
	a.manifest, err = json.Marshal([]map[string]any{{
		"Config": selfConfigName, "RepoTags": []string{self.Ref}, "Layers": []string{selfLayerName},
	}})
	if err != nil {
		return nil, fmt.Errorf("encode the image's manifest: %w", err)
	}
	return a, nil
}

// committed is the time of the commit that a Go binary was built from: of one binary it is
// always the same, and it says more than 1970.
func committed(binary io.ReaderAt) time.Time {
	info, err := buildinfo.Read(binary)
	if err != nil {
		return epoch()
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
			return at.UTC()
		}
	}
	return epoch()
}

func selfConfig(self SelfImage, engine Info, layer godigest.Digest, made time.Time) dockerspec.DockerOCIImage {
	var img dockerspec.DockerOCIImage
	img.Created = &made
	img.Architecture, img.OS = engine.Arch, engine.OSType
	img.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []godigest.Digest{layer}}
	img.History = []ocispec.History{{Created: &made, CreatedBy: "bgctl image"}}
	img.Config.User = fmt.Sprintf("%d:%d", selfUID, selfUID)
	img.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	img.Config.Entrypoint, img.Config.Cmd = []string{"/bgctl"}, self.Cmd
	img.Config.Labels = self.Labels
	if len(self.Health) > 0 {
		// A check costs a tenth of a second of a core, most of it the engine's exec.
		// bgctl runs it by itself after the start: without start_interval (API 1.44)
		// the engine's first check comes after one interval.
		img.Config.Healthcheck = &dockerspec.HealthcheckConfig{
			Test:     append([]string{"CMD"}, self.Health...),
			Interval: 30 * time.Second, Timeout: 3 * time.Second, StartPeriod: 10 * time.Second, Retries: 2,
		}
	}
	return img
}

// stream writes the archive on the way; closing it ends the writer.
func (a *selfArchive) stream() io.ReadCloser {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(a.write(writer)) }()
	return reader
}

func (a *selfArchive) write(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{{selfConfigName, a.config}, {"manifest.json", a.manifest}} {
		header := tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.content))}
		if err := writeEntry(out, header, bytes.NewReader(file.content)); err != nil {
			return err
		}
	}
	if err := out.WriteHeader(&tar.Header{Name: selfLayerName, Mode: 0o644, Size: a.layer, ModTime: epoch()}); err != nil {
		return err
	}
	if err := a.writeLayer(out); err != nil {
		return err
	}
	return out.Close()
}

// writeLayer writes the image's files. The state directory is there only to be owned by
// the user: a fresh named volume mounted there takes its owner from it.
func (a *selfArchive) writeLayer(w io.Writer) error {
	if _, err := a.binary.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for _, dir := range []tar.Header{{Name: "var/"}, {Name: "var/lib/"}, {Name: "var/lib/bgctl/", Uid: selfUID, Gid: selfUID}} {
		dir.Typeflag, dir.Mode = tar.TypeDir, 0o755
		if err := writeEntry(out, dir, nil); err != nil {
			return err
		}
	}
	if err := writeEntry(out, tar.Header{Name: "bgctl", Mode: 0o755, Size: a.size}, a.binary); err != nil {
		return err
	}
	return out.Close()
}

func writeEntry(out *tar.Writer, header tar.Header, body io.Reader) error {
	header.ModTime = epoch()
	if err := out.WriteHeader(&header); err != nil || body == nil {
		return err
	}
	_, err := io.CopyN(out, body, header.Size)
	return err
}

// countingWriter counts what passes.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
