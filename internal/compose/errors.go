package compose

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoProject says that there is no compose file and no embedded project.
	ErrNoProject = errors.New("no compose file")
	// ErrUnsupported says that a file uses attributes bgctl does not implement.
	ErrUnsupported = errors.New("not supported")
	// ErrImageMissing says that an image is neither local nor can it be pulled.
	ErrImageMissing = errors.New("image missing")
	// ErrUnhealthy says that a container did not reach the state others wait for.
	ErrUnhealthy = errors.New("not healthy")
	// ErrPortTaken says that a published port is used by something else.
	ErrPortTaken = errors.New("port taken")
	// ErrBuild says that an image could not be built.
	ErrBuild = errors.New("build failed")
)

// UnsupportedError lists everything in a project that bgctl does not implement.
type UnsupportedError struct {
	// Attributes are full paths, for example services.web.network_mode, with
	// the reason behind a colon where the path alone would not say it.
	Attributes []string
}

// Error names all attributes on one line.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("not supported by bgctl: %s; remove it or run the project with docker compose",
		strings.Join(e.Attributes, ", "))
}

// Is matches [ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// ImageError says why an image cannot be had.
type ImageError struct {
	Ref    string
	Reason string
	Remedy string
}

// Error is one line: what, why, what to do.
func (e *ImageError) Error() string {
	return fmt.Sprintf("image %s is neither on the engine nor can it be pulled (%s): %s",
		e.Ref, e.Reason, e.Remedy)
}

// Is matches [ErrImageMissing].
func (e *ImageError) Is(target error) bool { return target == ErrImageMissing }

// UnhealthyError says which container did not become what others wait for.
// Output and Log are foreign text: sanitise them before showing them.
type UnhealthyError struct {
	Container string
	Reason    string
	Output    string // what the last health check printed
	Log       string // the end of the container's log
}

// Error is one line; Output and Log are for the caller to show.
func (e *UnhealthyError) Error() string {
	text := fmt.Sprintf("container %s %s", e.Container, e.Reason)
	if e.Output != "" {
		line, _, _ := strings.Cut(strings.TrimSpace(e.Output), "\n")
		text += fmt.Sprintf(" (last check: %s)", line)
	}
	return text
}

// Is matches [ErrUnhealthy].
func (e *UnhealthyError) Is(target error) bool { return target == ErrUnhealthy }

// PortError says which port is taken and, when it is a container, by whom.
type PortError struct {
	Container string
	Port      string
	Holder    string // name of the container that publishes it, "" when none does
}

// Error is one line: what, why, what to do.
func (e *PortError) Error() string {
	holder, remedy := "another process on the engine's host", "stop it"
	if e.Holder != "" {
		holder, remedy = "container "+e.Holder, "stop that container"
	}
	return fmt.Sprintf("start %s: port %s is taken by %s: %s or publish another port",
		e.Container, e.Port, holder, remedy)
}

// Is matches [ErrPortTaken].
func (e *PortError) Is(target error) bool { return target == ErrPortTaken }

// BuildError is the failure of an image build. Output is foreign text.
type BuildError struct {
	Image  string
	Reason string
	Output string // the last lines of the build
}

// Error is one line.
func (e *BuildError) Error() string { return fmt.Sprintf("build %s: %s", e.Image, e.Reason) }

// Is matches [ErrBuild].
func (e *BuildError) Is(target error) bool { return target == ErrBuild }
