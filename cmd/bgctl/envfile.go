package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/bluegreen"
	"bgctl/internal/deployment"
	"bgctl/internal/envfile"
)

// envPath is the file that ACTIVE_POOL is kept in step in: the one that compose reads, which
// is beside the first compose file.
func (a *app) envPath() string {
	if n := len(a.flags.envFiles); n > 0 {
		return a.absolute(a.flags.envFiles[n-1])
	}
	files := a.flags.files
	if len(files) == 0 {
		files = filepath.SplitList(a.env("COMPOSE_FILE"))
	}
	if len(files) == 0 {
		return filepath.Join(a.dir, ".env")
	}
	return filepath.Join(filepath.Dir(a.absolute(files[0])), ".env")
}

// absolute is a path as it is meant from the directory that the command runs in.
func (a *app) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.dir, path)
}

// setting is a variable of the environment or, where that has none, of the env file, as
// a project sees it. It needs no project that can be loaded.
func (a *app) setting(name string) (string, error) {
	env := types.NewMapping(a.environ)
	if env[name] != "" {
		return env[name], nil
	}
	path := a.envPath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	vars, err := dotenv.GetEnvFromFile(env, []string{path})
	if err != nil {
		// The parser's own words may show a secret.
		return "", usagef("%s cannot be read as an env file; nothing was done", filepath.Base(path))
	}
	return vars[name], nil
}

// envSaver returns what keeps ACTIVE_POOL in .env in step, nil when there is no .env.
func (a *app) envSaver() func(context.Context, bluegreen.Pool) error {
	path := a.envPath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return func(_ context.Context, pool bluegreen.Pool) error {
		return saveEnv(path, deployment.Variable{Name: "ACTIVE_POOL", Value: pool.String()})
	}
}

// saveEnv sets variables in an env file.
func saveEnv(path string, vars ...deployment.Variable) error {
	out := make([]envfile.Variable, len(vars))
	for i, v := range vars {
		out[i] = envfile.Variable(v)
	}
	return envfile.Save(path, out...)
}

// releaseSaver returns what keeps the pools' images in .env in step. Without an
// .env one is made: else the next `up` would put the default images back.
func (a *app) releaseSaver() func([]deployment.Variable) (string, error) {
	path := a.envPath()
	return func(vars []deployment.Variable) (string, error) {
		for _, v := range vars {
			if old := a.env(v.Name); old != "" && old != v.Value {
				return fmt.Sprintf("%s=%s is set in this shell and wins over .env: unset it before the next bgctl up", v.Name, old), saveEnv(path, vars...)
			}
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", saveEnv(path, vars...)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the project's own env file
		if errors.Is(err, fs.ErrExist) {                                      // made by another command just now
			return "", saveEnv(path, vars...)
		}
		if err != nil {
			return "", err
		}
		return "made " + filepath.Base(path), errors.Join(f.Close(), saveEnv(path, vars...))
	}
}
