package logstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Engine is what a [ContainerSource] needs of a container engine. It is made for
// one log: a container of a certain name, or the one of a service.
type Engine interface {
	// Find returns the container that has the log now, running or not;
	// [ErrNoContainer] when there is none.
	Find(ctx context.Context) (Container, error)
	// Output opens the standard output of a container; [ErrNoContainer] when it is
	// gone, [ErrNoOutput] when its log cannot be read.
	Output(ctx context.Context, req OutputRequest) (Output, error)
}

var (
	// ErrNoContainer says that there is no such container, for now.
	ErrNoContainer = errors.New("no such container")
	// ErrNoOutput says that the engine does not keep the container's output.
	ErrNoOutput = errors.New("the output cannot be read")
)

// Container is what an engine knows of a container.
type Container struct {
	ID      string
	Name    string
	State   string // running, paused, restarting, exited and so on
	Started time.Time
	Driver  string // of its log
	Options map[string]string
	Engine  string // version of the engine
}

// Running reports whether there may be more output at any moment.
func (c *Container) Running() bool {
	return c.State == "running" || c.State == "paused" || c.State == "restarting"
}

// OutputRequest says which lines of a container's standard output are wanted, all
// of them with their times.
type OutputRequest struct {
	ID     string
	Since  int64 // nanoseconds since 1970, lines of that very time included; 0: no limit
	Last   int   // at most that many lines of the past; negative: all
	Follow bool
}

// Output yields lines of a container's output. It has to be closed.
type Output interface {
	// Next returns the next line, or io.EOF when the container has stopped and all
	// was read.
	Next() (OutputLine, error)
	// Ready reports whether Next returns without waiting.
	Ready() bool
	// Close ends a pending Next.
	Close() error
}

// OutputLine is one line. Text is valid until the next one is asked for.
type OutputLine struct {
	Time int64 // nanoseconds since 1970
	Text []byte
	End  OutputEnd
}

// OutputEnd says what ended a line.
type OutputEnd uint8

// The ends of a line.
const (
	EndNewline  OutputEnd = iota
	EndRestart            // the process ended in mid-line; the next one wrote on
	EndOfStream           // the stream ended; the rest may come with another one
)

// Warnings says what about the container's log will lose lines.
func (c *Container) Warnings() []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if c.Options["mode"] == "non-blocking" {
		warn("container %s logs in the mode non-blocking: the engine drops lines in silence when its buffer is full; remove the option mode", c.Name)
	}
	if c.stalls() {
		warn("container %s uses the log driver local of an engine before 23.0, whose followers can stall; use json-file", c.Name)
	}
	size, sized := c.Options["max-size"]
	if n, ok := parseSize(size); sized && ok && n > 0 && n < minLogSize {
		warn("container %s rotates its log at %s: under load lines are gone before they are read; set max-size to 10m or more", c.Name, size)
	}
	// Only json-file drops the whole log with its one file; local keeps compressed ones.
	if c.Options["max-file"] == "1" || c.Driver == "json-file" && sized && c.Options["max-file"] == "" {
		warn("container %s keeps one log file only: what was not read before a rotation is lost; set max-file to 3", c.Name)
	}
	return out
}

// stalls reports whether followers of this log are known to hang after a rotation.
func (c *Container) stalls() bool { return c.Driver == "local" && oldEngine(c.Engine) }

const minLogSize = 1 << 20

func oldEngine(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n < 23
}

// parseSize reads sizes as log drivers take them: 512k, 20m, 1g.
func parseSize(text string) (int64, bool) {
	text = strings.TrimSuffix(strings.ToLower(text), "b")
	unit := int64(1)
	if i := len(text) - 1; i > 0 {
		switch text[i] {
		case 'k':
			unit, text = 1<<10, text[:i]
		case 'm':
			unit, text = 1<<20, text[:i]
		case 'g':
			unit, text = 1<<30, text[:i]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n * unit, err == nil
}
