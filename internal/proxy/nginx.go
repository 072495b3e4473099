package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// testLimit bounds `nginx -t`, which opens no connection.
const testLimit = 10 * time.Second

// Master is the nginx of this container. It is signalled from inside only: any signal
// sent through the Docker API marks the container as stopped by hand and switches its
// restart policy off.
type Master struct {
	Program string
	PIDFile string
}

var _ Nginx = (*Master)(nil)

// Test implements [Nginx].
func (m *Master) Test(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, m.Program, "-t", "-q", "-e", "stderr", "-c", path).CombinedOutput() //nolint:gosec // the image's nginx, a file of ours
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("nginx did not say what it makes of the configuration: %w", context.Cause(ctx))
	case errors.As(err, &exit):
		return &ComplaintError{Text: complaint(string(out), path)}
	}
	return fmt.Errorf("have nginx test the configuration: %w", err)
}

// complaint picks what is wrong out of what nginx says.
func complaint(text, path string) string {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" {
			last = line
		}
		for _, mark := range []string{"[emerg] ", "[alert] ", "[crit] "} {
			if _, said, ok := strings.Cut(line, mark); ok {
				return strings.ReplaceAll(said, path, "nginx.conf")
			}
		}
	}
	return last
}

// Reload implements [Nginx].
func (m *Master) Reload() error {
	text, err := os.ReadFile(m.PIDFile)
	if err != nil {
		return fmt.Errorf("find the running nginx: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("find the running nginx: %s says %.20q", m.PIDFile, text)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return fmt.Errorf("tell nginx to read its configuration: %w", err)
	}
	return nil
}
