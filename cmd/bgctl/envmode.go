package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"bgctl/internal/compose"
)

// checkEnvModes looks at who may read and write the environment files of a project:
// .env beside its compose file, or the files that were named instead.
func (a *app) checkEnvModes(p *compose.Project) error {
	files := p.EnvFiles
	if len(files) == 0 {
		files = []string{filepath.Join(p.WorkingDir, ".env")}
	}
	for _, file := range files {
		warning, err := checkEnvMode(file)
		if err != nil {
			return err
		}
		if warning != "" {
			fmt.Fprintln(a.err, "warning:", clean(warning))
		}
	}
	return nil
}

// checkEnvMode refuses an environment file that everybody may write to: who writes it
// chooses the images that run. A file with secrets that others may read gets a warning.
func checkEnvMode(file string) (warning string, err error) {
	if runtime.GOOS == "windows" { // its modes say nothing
		return "", nil
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", usagef("look at the environment file: %w", err)
	}
	mode := info.Mode().Perm()
	if mode&0o002 != 0 {
		return "", usagef("%s has mode %04o: every user may write to it; run chmod 600 %s", file, mode, file)
	}
	if mode&0o077 == 0 {
		return "", nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the project's own environment file
	if err != nil {
		return "", usagef("look at the environment file: %w", err)
	}
	if !compose.HoldsSecret(string(text)) {
		return "", nil
	}
	return fmt.Sprintf("%s holds secrets and has mode %04o, so others may read it: run chmod 600 %s", file, mode, file), nil
}
