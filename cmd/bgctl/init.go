package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bgctl/stack"
)

// initFlags are the flags of `bgctl init`.
type initFlags struct{ dryRun bool }

// newInitCommand returns `bgctl init`.
func newInitCommand(a *app) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use: "init", Short: "Write the stack's files here, to change them", Args: cobra.NoArgs,
		Long: "Write the stack's files into this directory, to change them. It has to hold no\n" +
			"compose project: a second compose file would take the first one's place.",
		RunE: func(*cobra.Command, []string) error { return a.initStack(&f) },
	}
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be written and write nothing")
	return cmd
}

// stackFile is one file of the embedded stack.
type stackFile struct {
	name string
	text []byte
}

// stackFiles are the files of the embedded stack. The compose file comes first, and is
// put in place last: without it nothing is a project yet.
func stackFiles() ([]stackFile, error) {
	ctx, err := stack.ProxyContext()
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	return []stackFile{
		{"compose.yaml", stack.Compose}, {".env.example", stack.EnvExample}, {filepath.Join("proxy", "Dockerfile"), text},
	}, nil
}

// elsewhere is what to do where a project is.
const elsewhere = "nothing was written; write the stack into a directory of its own: mkdir DIR && cd DIR && bgctl init"

// initStack writes the embedded stack into the current directory, all of it or nothing.
func (a *app) initStack(f *initFlags) error {
	files, err := stackFiles()
	if err != nil {
		return err
	}
	if err := a.initFree(); err != nil {
		return err
	}
	names := fmt.Sprintf("%s, %s and %s", files[0].name, files[1].name, files[2].name)
	if f.dryRun {
		_, err = fmt.Fprintln(a.out, "would write", names)
		return err
	}
	if err := writeNew(a.dir, files); err != nil {
		return fmt.Errorf("write the stack: %w; nothing was written", err)
	}
	next := "cp -n .env.example .env, set BLUE_IMAGE and GREEN_IMAGE there"
	if _, err := os.Lstat(filepath.Join(a.dir, ".env")); err == nil {
		next = "set BLUE_IMAGE and GREEN_IMAGE in .env (.env.example has all settings)"
	}
	_, err = fmt.Fprintf(a.out, "wrote %s; next: %s, then bgctl up\n", names, next)
	return err
}

// initFree refuses a directory that holds a project, or a file that would be written.
func (a *app) initFree() error {
	if len(a.flags.files) > 0 {
		return usagef("-f names a compose file, and init writes compose.yaml; leave -f out")
	}
	var here []string
	for _, name := range []string{
		"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
		"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
		".env.example", "proxy",
	} {
		if _, err := os.Lstat(filepath.Join(a.dir, name)); err == nil {
			here = append(here, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if n := len(here); n == 1 {
		return usagef("%s is here already; %s", here[0], elsewhere)
	} else if n > 1 {
		return usagef("%s and %s are here already; %s", strings.Join(here[:n-1], ", "), here[n-1], elsewhere)
	}
	file, err := a.setting("COMPOSE_FILE")
	if err != nil {
		return err
	}
	if file != "" {
		return usagef("COMPOSE_FILE names %s: this directory has a project already; %s", file, elsewhere)
	}
	return nil
}

// writeNew writes files that are not there yet. They are written beside their places
// first; what fails leaves nothing, and no file of somebody else is replaced.
func writeNew(dir string, files []stackFile) (err error) {
	tmp, err := os.MkdirTemp(dir, ".bgctl-init-*")
	if err != nil {
		return err
	}
	var placed []string
	defer func() {
		err = errors.Join(err, os.RemoveAll(tmp))
		if err == nil {
			return
		}
		for _, path := range slices.Backward(placed) {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	for _, f := range files {
		path := filepath.Join(tmp, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a project is read by its team
			return err
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil { //nolint:gosec // no secret is in it
			return err
		}
	}
	for _, f := range slices.Backward(files) {
		path := filepath.Join(dir, f.name)
		if sub := filepath.Dir(path); sub != filepath.Clean(dir) {
			if err := os.Mkdir(sub, 0o755); err != nil { //nolint:gosec // as above
				return err
			}
			placed = append(placed, sub)
		}
		if err := place(filepath.Join(tmp, f.name), path); err != nil {
			return err
		}
		placed = append(placed, path)
	}
	return nil
}

// place puts a file in its place, unless something is there. A file system without hard
// links leaves a moment between the look and the rename.
func place(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, err)
	}
	return os.Rename(from, to)
}
