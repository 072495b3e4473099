package compose

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// openContext returns the build context and the Dockerfile's path in it.
func openContext(p *Project, service types.ServiceConfig) (files fs.FS, dockerfile string, err error) {
	if files = p.Context(service); files == nil {
		if p.Embedded {
			return nil, "", fmt.Errorf("build %s: the built-in project has no context %s", service.Name, service.Build.Context)
		}
		info, err := os.Stat(service.Build.Context)
		if err != nil || !info.IsDir() {
			return nil, "", fmt.Errorf("build %s: the context %s is not a directory on this machine",
				service.Name, service.Build.Context)
		}
		files = os.DirFS(service.Build.Context)
	}
	if service.Build.DockerfileInline != "" {
		return files, inlineDockerfile, nil
	}
	dockerfile = service.Build.Dockerfile
	if dockerfile == "" {
		dockerfile = "Dockerfile"
	}
	if filepath.IsAbs(dockerfile) {
		if dockerfile, err = filepath.Rel(service.Build.Context, dockerfile); err != nil {
			return nil, "", fmt.Errorf("build %s: %w", service.Name, err)
		}
	}
	dockerfile = path.Clean(filepath.ToSlash(dockerfile))
	if !fs.ValidPath(dockerfile) {
		return nil, "", fmt.Errorf("build %s: the Dockerfile %s is outside its context", service.Name, dockerfile)
	}
	return files, dockerfile, nil
}

// packContext packs a build context, always into the same bytes for the same files.
func packContext(p *Project, service types.ServiceConfig) (content []byte, dockerfile string, err error) {
	files, dockerfile, err := openContext(p, service)
	if err != nil {
		return nil, "", err
	}
	ignored, err := readIgnore(files, dockerfile)
	if err != nil {
		return nil, "", fmt.Errorf("build %s: %w", service.Name, err)
	}
	var buf bytes.Buffer
	pack := packer{files: files, out: tar.NewWriter(&buf), ignored: ignored, embedded: p.Embedded}
	if err := fs.WalkDir(files, ".", pack.visit); err != nil {
		return nil, "", fmt.Errorf("pack the build context of %s: %w", service.Name, err)
	}
	if inline := service.Build.DockerfileInline; inline != "" {
		header := &tar.Header{Name: inlineDockerfile, Mode: 0o644, Size: int64(len(inline))}
		if err := pack.write(header, []byte(inline)); err != nil {
			return nil, "", err
		}
	}
	if err := pack.out.Close(); err != nil {
		return nil, "", fmt.Errorf("pack the build context of %s: %w", service.Name, err)
	}
	return buf.Bytes(), dockerfile, nil
}

// readIgnore reads .dockerignore; the Dockerfile itself is always sent.
func readIgnore(files fs.FS, dockerfile string) (*patternmatcher.PatternMatcher, error) {
	file, err := files.Open(".dockerignore")
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return patternmatcher.New(append(patterns, "!"+dockerfile, "!.dockerignore"))
}

type packer struct {
	files    fs.FS
	out      *tar.Writer
	ignored  *patternmatcher.PatternMatcher
	embedded bool
}

func (p packer) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil || name == "." {
		return err
	}
	skip, err := p.ignored.MatchesOrParentMatches(name)
	if err != nil {
		return fmt.Errorf("apply .dockerignore: %w", err)
	}
	if skip {
		if entry.IsDir() && !p.ignored.Exclusions() {
			return fs.SkipDir
		}
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm())}
	switch {
	case entry.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		header.Mode = 0o755
		return p.write(header, nil)
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := fs.ReadLink(p.files, name)
		header.Typeflag, header.Linkname = tar.TypeSymlink, link
		if err != nil {
			return err
		}
		return p.write(header, nil)
	case !info.Mode().IsRegular():
		return nil
	}
	content, err := fs.ReadFile(p.files, name)
	if err != nil {
		return err
	}
	header.Size = int64(len(content))
	if p.embedded {
		header.Mode = embeddedMode(info.Mode(), content)
	}
	return p.write(header, content)
}

// embeddedMode guesses what go:embed does not keep: programs are told by how they begin.
func embeddedMode(mode fs.FileMode, content []byte) int64 {
	isProgram := bytes.HasPrefix(content, []byte("#!")) || bytes.HasPrefix(content, []byte("\x7fELF"))
	if isProgram || mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

func (p packer) write(header *tar.Header, content []byte) error {
	if err := p.out.WriteHeader(header); err != nil {
		return err
	}
	_, err := p.out.Write(content)
	return err
}

// contextHash is "files-bases": what an image is built from, and the IDs of the
// images it is built on. The second half is empty when one of those is not local.
func contextHash(p *Project, service types.ServiceConfig, bases []string) (string, error) {
	content, dockerfile, err := packContext(p, service)
	if err != nil {
		return "", err
	}
	settings, err := json.Marshal([]any{dockerfile, service.Build.Args, service.Build.Target, service.Build.Labels})
	if err != nil {
		return "", fmt.Errorf("hash the build of %s: %w", service.Name, err)
	}
	hash := digest(append(settings, content...)) + "-"
	if slices.Contains(bases, "") {
		return hash, nil
	}
	return hash + digest([]byte(strings.Join(bases, ","))), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:24]
}

// baseImages lists the images the Dockerfile of a service starts from, without
// its own stages and scratch.
func baseImages(p *Project, service types.ServiceConfig) ([]string, error) {
	content := []byte(service.Build.DockerfileInline)
	if len(content) == 0 {
		files, dockerfile, err := openContext(p, service)
		if err != nil {
			return nil, err
		}
		if content, err = fs.ReadFile(files, dockerfile); err != nil {
			return nil, fmt.Errorf("build %s: read its Dockerfile: %w", service.Name, err)
		}
	}
	return parseBases(string(content), service.Build.Args)
}

func parseBases(dockerfile string, args types.MappingWithEquals) ([]string, error) {
	values, stages := map[string]string{}, map[string]bool{"scratch": true}
	var bases []string
	for line := range strings.Lines(dockerfile) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch strings.ToUpper(words[0]) {
		case "ARG":
			name, value, _ := strings.Cut(words[1], "=")
			values[name] = strings.Trim(value, `"'`)
			if given := args[name]; given != nil {
				values[name] = *given
			}
		case "FROM":
			ref, stage, err := parseFrom(words[1:], values)
			if err != nil {
				return nil, err
			}
			if !stages[ref] {
				bases = append(bases, ref)
			}
			stages[stage] = true
		}
	}
	return bases, nil
}

// parseFrom reads "[--platform=…] image [AS stage]".
func parseFrom(words []string, values map[string]string) (ref, stage string, err error) {
	for len(words) > 1 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	ref, err = template.Substitute(words[0], func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	})
	if err != nil {
		return "", "", fmt.Errorf("read the Dockerfile: %w", err)
	}
	if len(words) >= 3 && strings.EqualFold(words[1], "as") {
		stage = words[2]
	}
	return ref, stage, nil
}
