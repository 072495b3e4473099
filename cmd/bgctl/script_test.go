//go:build !e2e

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bgctl": func() { os.Exit(run()) }}) //nolint:forbidigo // this is the program's main
}

// TestScripts runs the command line as a user does; every behaviour is one file.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(env *testscript.Env) error {
		env.Setenv("DOCKER_HOST", "unix:///nonexistent.sock")
		return nil
	}})
}
