package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bgctl/stack"
)

// newInitCommand returns `bgctl init`.
func newInitCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Write the stack's files here, to change them", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.initStack() },
	}
}

// initStack writes the embedded stack into the current directory. It writes
// nothing when one of the files is there already.
func (a *app) initStack() error {
	files, err := stackFiles()
	if err != nil {
		return err
	}
	for name := range files {
		if _, err := os.Lstat(filepath.Join(a.dir, name)); err == nil {
			return usagef("%s is here already; nothing was written", name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for name, text := range files {
		path := filepath.Join(a.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a project is read by its team
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // no secret is in it
			return err
		}
	}
	fmt.Fprintln(a.out, "wrote compose.yaml, proxy/Dockerfile and .env.example; next: cp .env.example .env, then bgctl up")
	return nil
}

// stackFiles are the files of the embedded stack by name.
func stackFiles() (map[string][]byte, error) {
	files := map[string][]byte{"compose.yaml": stack.Compose, ".env.example": stack.EnvExample}
	ctx, err := stack.ProxyContext()
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	files[filepath.Join("proxy", "Dockerfile")] = text
	return files, nil
}
