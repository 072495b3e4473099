package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
)

// liveEngine is a Docker engine.
type liveEngine struct {
	*compose.Client
	now func() time.Time
}

// NewEngine binds a client.
func NewEngine(client *compose.Client, now func() time.Time) Engine {
	return &liveEngine{Client: client, now: now}
}

// Deployment observes the project once.
func (e *liveEngine) Deployment(ctx context.Context, project string) (bluegreen.Deployment, error) {
	stack := &deployment.Stack{Client: e.Client, Project: project, Now: e.now}
	defer stack.Close()
	return stack.Observe(ctx)
}

// OOMKills are the kills for lack of memory that the engine remembers.
func (e *liveEngine) OOMKills(ctx context.Context, project string, since time.Time) ([]compose.Event, error) {
	return e.PastEvents(ctx, project, "oom", since)
}

// Exec runs a command in a container.
func (e *liveEngine) Exec(ctx context.Context, id string, cmd []string, stdin []byte) (compose.ExecResult, error) {
	opts := compose.ExecOptions{Cmd: cmd}
	if stdin != nil {
		opts.Stdin = bytes.NewReader(stdin)
	}
	return e.Client.Exec(ctx, id, opts)
}

// Close ends the connections.
func (e *liveEngine) Close() { _ = e.Client.Close() } // nothing is in flight any more

// newestTested is the newest major version of the engine that was tried.
const newestTested = 28

// checkEngine reaches the engine and judges what it is.
func checkEngine(ctx context.Context, p *patient) ([]finding, error) {
	engine, err := p.connection.of(ctx, p.Connect)
	var lost *compose.UnreachableError
	switch {
	case errors.As(err, &lost):
		remedy := lost.Hint
		if remedy == "" {
			remedy = "start the engine, or name another one with -H or --context"
		}
		return []finding{{Failed, lost.Host, lost.Reason, remedy}}, nil
	case err != nil:
		return nil, err
	}
	info := engine.Info()
	return judgeEngine(&info), nil
}

// judgeEngine names what is unusual about an engine.
func judgeEngine(info *compose.Info) []finding {
	seen := fmt.Sprintf("%s: engine %s, API %s, %s/%s", info.Host, info.ServerVersion, info.APIVersion, info.OSType, info.Arch)
	var out []finding
	if info.OSType != "" && info.OSType != "linux" {
		out = append(out, finding{Failed, "", seen, "use an engine that runs Linux containers: docker context use NAME"})
	}
	if info.Podman {
		out = append(out, finding{Warning, "", seen + ": this is Podman, whose health states and restart policies differ", "use a Docker engine: bgctl is not tested with Podman"})
	}
	if major, err := strconv.Atoi(firstPart(info.ServerVersion)); err == nil && major > newestTested {
		seen += fmt.Sprintf("; bgctl was tried with engines up to %d", newestTested)
	}
	if info.Rootless {
		seen += "; rootless: the proxy sees the address of a helper instead of the clients' addresses"
	}
	if len(out) == 0 {
		out = append(out, finding{verdict: OK, evidence: seen})
	}
	return out
}

// firstPart is the text before the first dot.
func firstPart(version string) string {
	head, _, _ := strings.Cut(version, ".")
	return head
}

// The differences between clocks that are worth a word: alerts carry times, and an
// edited .env is compared with the journal.
const (
	clockNear = 2 * time.Second
	clockFar  = 30 * time.Second
)

// checkClock compares the clocks of this machine, the engine, the proxy and its log.
func checkClock(ctx context.Context, p *patient) ([]finding, error) {
	s, err := p.engineSystem(ctx)
	if err != nil {
		return nil, err
	}
	if s.Now.IsZero() {
		return nil, none("the engine does not tell its time")
	}
	var out []finding
	if f, wrong := judgeClock("the engine's host", s.Off, s.Trip); wrong {
		out = append(out, f)
	}
	x, err := p.examination(ctx)
	if err != nil {
		return out, nil //nolint:nilerr // the engine's clock is most of it
	}
	newest := newestLine(x.Log.Last)
	if ahead := newest.Sub(x.Now); !newest.IsZero() && ahead > clockNear {
		out = append(out, finding{
			Warning, "access log", fmt.Sprintf("the newest line is of %s, %s ahead of the proxy's clock: the clock was set back", newest.UTC().Format(time.RFC3339), ahead.Round(time.Second)),
			"Let the host's clock be slewed and not stepped (chrony or systemd-timesyncd).",
		})
	}
	return out, nil
}

// judgeClock judges a difference that is known to a few milliseconds.
func judgeClock(whose string, off, trip time.Duration) (finding, bool) {
	if off.Abs() <= clockNear+trip {
		return finding{}, false
	}
	verdict := Warning
	if off.Abs() > clockFar {
		verdict = Failed
	}
	word := "ahead of"
	if off < 0 {
		word = "behind"
	}
	return finding{
		verdict, whose, fmt.Sprintf("its clock is %s %s this machine's", off.Abs().Round(time.Second), word),
		"Synchronise both clocks (chrony or systemd-timesyncd): timedatectl set-ntp true",
	}, true
}
