package doctor

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
)

// checkPoolHealth asks what the engine knows.
func checkPoolHealth(ctx context.Context, p *patient) ([]finding, error) {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, err
	}
	return judgePoolHealth(d), nil
}

// judgePoolHealth: a standby that is not ready is a failover that does not happen. Whether
// a pool answers the proxy is told by pool-answers.
func judgePoolHealth(d *bluegreen.Deployment) []finding {
	var out []finding
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		if len(ps.Containers) == 0 || ps.Ready() || slices.ContainsFunc(ps.Containers, func(c bluegreen.Container) bool { return c.Ready() }) {
			continue
		}
		c := &ps.Containers[0]
		text := "the container is " + c.State
		if c.State == "running" {
			text = "the health check says " + c.Health
			if c.HealthLog != "" {
				text += ": " + c.HealthLog
			}
		}
		verdict, role := Warning, "standby"
		if d.Active() == pool {
			verdict, role = Failed, "active"
		}
		remedy := "bgctl heal " + pool.String()
		if c.State == "running" {
			remedy = "bgctl logs " + c.Service + " --tail 50"
		}
		out = append(out, finding{verdict, pool.String() + " (" + role + ")", text, remedy})
	}
	return out
}

// checkPoolAnswers asks each pool through nginx, and dials its containers.
func checkPoolAnswers(ctx context.Context, p *patient) ([]finding, error) {
	x, d, err := p.examined(ctx)
	if err != nil {
		return nil, err
	}
	var out []finding
	for _, pool := range bluegreen.Pools() {
		seen, ok := x.Pools[pool]
		if !ok {
			continue // no container of it runs, which is said elsewhere
		}
		ps := d.Pool(pool)
		if len(ps.Containers) == 0 {
			continue // its container went between the two looks
		}
		c := ps.Containers[0]
		f := judgePoolAnswer(pool, answered(ps, seen), c.Service)
		for i := range f {
			if refused(&seen) {
				f[i].evidence += p.listeners(ctx, c.ID)
			}
		}
		out = append(out, f...)
	}
	return out, nil
}

// answered is an examination with the newest answer of the pool to the proxy's own requests.
func answered(ps *bluegreen.PoolState, x proxy.PoolExam) *proxy.PoolExam {
	if a := ps.Answer; a != nil {
		x.Status, x.Err, x.Took, x.Pool, x.Release = a.Status, a.Err, a.Took, a.Pool, a.Release
	}
	return &x
}

// judgePoolAnswer says why a pool does not answer its health path.
func judgePoolAnswer(pool bluegreen.Pool, x *proxy.PoolExam, service string) []finding {
	logs := "bgctl logs " + service + " --tail 50"
	switch {
	case refused(x):
		return []finding{{Failed, pool.String(), "the container runs, and nothing listens at " + x.Dials[0].Addr + " for the proxy: the application listens on 127.0.0.1 only, or on another port than PORT", "Let the application listen on 0.0.0.0 and on PORT; then: bgctl restart " + pool.String()}}
	case x.Status == 0:
		return []finding{{Failed, pool.String(), "no answer through nginx: " + x.Err, logs}}
	case x.Status >= 200 && x.Status < 300:
		return nil
	case x.Status >= 400 && x.Status < 500:
		return []finding{{Failed, pool.String(), fmt.Sprintf("answers %d to GET %s", x.Status, x.Health), "Let the application answer GET " + x.Health + " with 2xx and without a login."}}
	}
	return []finding{{Failed, pool.String(), fmt.Sprintf("GET %s through nginx is answered with %d after %s", x.Health, x.Status, x.Took.Round(time.Millisecond)), logs}}
}

// refused reports whether no container of a pool listens where the proxy dials.
func refused(x *proxy.PoolExam) bool {
	return len(x.Dials) > 0 && !slices.ContainsFunc(x.Dials, func(d proxy.Dial) bool { return !d.Refused })
}

// listeners tells where the processes of a container listen, "" when it cannot be read.
func (p *patient) listeners(ctx context.Context, id string) string {
	engine, err := p.engine(ctx)
	if err != nil {
		return ""
	}
	var all []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		out, err := engine.Exec(ctx, id, []string{"cat", table}, nil)
		if err == nil && out.ExitCode == 0 {
			all = append(all, listening(string(out.Stdout))...)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; its processes listen at " + strings.Join(all, ", ")
}

// stateListen marks a listening socket in /proc/net/tcp, see the kernel's tcp_states.h.
const stateListen = "0A"

// embeddedDNS is where Docker's own name server listens in every container.
const embeddedDNS = "127.0.0.11"

// listening reads the listening sockets out of a table of the kernel.
func listening(table string) []string {
	var out []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != stateListen {
			continue
		}
		host, port, ok := strings.Cut(fields[1], ":")
		raw, err := hex.DecodeString(host)
		number, perr := strconv.ParseUint(port, 16, 16)
		if !ok || err != nil || perr != nil || len(raw)%4 != 0 {
			continue
		}
		for i := 0; i < len(raw); i += 4 { // words in the host's order
			slices.Reverse(raw[i : i+4])
		}
		if addr := net.IP(raw).String(); addr != embeddedDNS {
			out = append(out, net.JoinHostPort(addr, strconv.FormatUint(number, 10)))
		}
	}
	return out
}

// checkPoolHeaders looks at what answers tell of themselves.
func checkPoolHeaders(ctx context.Context, p *patient) ([]finding, error) {
	x, d, err := p.examined(ctx)
	if err != nil {
		return nil, err
	}
	var out []finding
	for _, pool := range bluegreen.Pools() {
		seen, ok := x.Pools[pool]
		if a := answered(d.Pool(pool), seen); ok && a.Status >= 200 && a.Status < 300 {
			out = append(out, judgePoolHeaders(pool, a)...)
		}
	}
	return out, nil
}

// judgePoolHeaders: without the headers all works, with wrong ones figures are wrong.
func judgePoolHeaders(pool bluegreen.Pool, x *proxy.PoolExam) []finding {
	if x.Pool != bluegreen.NoPool && x.Pool != pool {
		return []finding{{Failed, pool.String(), "its answers carry X-App-Pool: " + x.Pool.String() + ": requests are counted for the wrong pool", "Set APP_POOL of the service to " + pool.String() + " in the compose file; then: bgctl up"}}
	}
	var missing []string
	if x.Pool == bluegreen.NoPool {
		missing = append(missing, "X-App-Pool")
	}
	if x.Release == "" {
		missing = append(missing, "X-Release-Id")
	}
	if len(missing) == 0 {
		return nil
	}
	return []finding{{OK, pool.String(), "its answers carry no " + strings.Join(missing, " and no ") + ": the pool is known from the address, the release from the container", ""}}
}

// longestWatch bounds how long an idle connection is watched.
const longestWatch = 6 * time.Second

// checkKeepAlive measures whether the application keeps an idle connection as long as
// nginx does. nginx takes a connection that it finds closed for a failed attempt.
func checkKeepAlive(ctx context.Context, p *patient) ([]finding, error) {
	c, err := p.running(ctx, bluegreen.RoleProxy)
	if err != nil {
		return nil, err
	}
	idle, err := proxy.FailTimeout(orDefault(p.setting(ctx, c)("UPSTREAM_KEEPALIVE"), "4s"))
	if err != nil {
		return nil, err
	}
	if _, r, err := p.router(ctx); err == nil && r.Lock != nil {
		return nil, none("a command is changing the deployment, and would wait for the connections that are watched")
	}
	span := idle + 300*time.Millisecond
	if span > longestWatch {
		return nil, none("UPSTREAM_KEEPALIVE is %s; connections are watched for at most %s", idle, longestWatch)
	}
	x, err := p.idleExamination(ctx, span)
	if err != nil {
		return nil, err
	}
	var out []finding
	for _, pool := range bluegreen.Pools() {
		for _, seen := range x.Idle[pool] {
			out = append(out, judgeKeepAlive(pool, &seen, idle)...)
		}
	}
	if len(x.Idle) == 0 {
		return nil, none("no container of a pool runs")
	}
	return out, nil
}

func judgeKeepAlive(pool bluegreen.Pool, x *proxy.IdleExam, idle time.Duration) []finding {
	switch {
	case x.Err != "":
		return []finding{{Skipped, pool.String(), "the connection could not be watched: " + x.Err, ""}}
	case x.Closes:
		return []finding{{OK, pool.String(), "the application ends every connection after its answer: each request opens a new one", ""}}
	case x.Closed > 0:
		shorter := max(x.Closed/2, time.Millisecond).Round(time.Millisecond)
		return []finding{{
			Failed, pool.String(), fmt.Sprintf("the application ends an idle connection after %s, and nginx would use it for up to %s: requests on it fail", x.Closed.Round(10*time.Millisecond), idle),
			fmt.Sprintf("Write UPSTREAM_KEEPALIVE=%dms into .env, or let the application keep connections longer; then: bgctl up", shorter.Milliseconds()),
		}}
	}
	return nil
}

func orDefault(v, def string) string {
	if v == "" {
		return def
	}
	return v
}
