package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/deployment"
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

// envTime is when that file was last written; the zero time when there is none.
func (a *app) envTime() time.Time {
	fi, err := os.Stat(a.envPath())
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
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

// saveEnv sets variables in an env file and leaves every other byte, the file's
// mode and its owner as they are. The file is replaced by one rename.
func saveEnv(path string, vars ...deployment.Variable) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(old)
	for _, v := range vars {
		text = setEnv(text, v.Name, v.Value)
	}
	if text == string(old) {
		return nil
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".env-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(fi.Mode().Perm()), sameOwner(tmp, fi), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// sameOwner gives the new file the old one's owner; only root can change it.
func sameOwner(f *os.File, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// setEnv sets a variable in the text of an env file. The last assignment counts,
// so that one is changed; a file without any gets one at its end.
func setEnv(text, name, value string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimLeft(lines[i], " \t")
		line = strings.TrimLeft(strings.TrimPrefix(line, "export "), " \t")
		rest, ok := strings.CutPrefix(line, name)
		if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "=") {
			continue
		}
		head, tail, _ := strings.Cut(lines[i], "=")
		if old := envValue(tail); old == value {
			return text
		}
		lines[i] = head + "=" + quoted(value) + comment(tail) + ending(lines[i])
		return strings.Join(lines, "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + name + "=" + quoted(value) + "\n"
}

// plainRE is what needs no quotes in an env file.
var plainRE = regexp.MustCompile(`^[A-Za-z0-9_./:@+,%=-]*$`)

// quoted is a value as an env file has it: nothing in it is expanded.
func quoted(value string) string {
	switch {
	case plainRE.MatchString(value):
		return value
	case !strings.ContainsAny(value, "'\n\r"):
		return "'" + value + "'"
	}
	return strings.ReplaceAll(strconv.Quote(value), "$", "\\$")
}

// envValue is the value of an assignment's right side.
func envValue(tail string) string {
	tail = strings.TrimSpace(tail)
	if unquoted, err := strconv.Unquote(tail); err == nil {
		return unquoted
	}
	value, _, _ := strings.Cut(tail, " #")
	return strings.TrimSpace(strings.Trim(value, "'"))
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
		if err != nil {
			return "", err
		}
		return "made " + filepath.Base(path), errors.Join(f.Close(), saveEnv(path, vars...))
	}
}

// comment is the comment behind a value, with its leading blank.
func comment(tail string) string {
	if i := strings.Index(tail, " #"); i >= 0 {
		return strings.TrimRight(tail[i:], "\r\n")
	}
	return ""
}

// ending is a line's line ending.
func ending(line string) string {
	switch {
	case strings.HasSuffix(line, "\r\n"):
		return "\r\n"
	case strings.HasSuffix(line, "\n"):
		return "\n"
	}
	return ""
}
