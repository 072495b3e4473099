package alert

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// script writes an access log as nginx would. Unlike a recorded one it can be what
// takes hours or two hosts to record.
type script struct {
	out    bytes.Buffer
	now    time.Time
	step   time.Duration
	active bluegreen.Pool
	took   time.Duration
	method string
	path   string
	format func(s *script, pools []bluegreen.Pool, statuses []int) string
	n      int
}

func newScript() *script {
	return &script{
		now: start(), step: 50 * time.Millisecond, active: blue, took: 4 * time.Millisecond,
		method: "GET", path: "/", format: ownFormat,
	}
}

func addr(p bluegreen.Pool) string {
	if p == blue {
		return "172.20.0.3:3000"
	}
	return "172.20.0.4:3000"
}

func listed[T any](list []T, text func(T) string) string {
	parts := make([]string, len(list))
	for i := range list {
		parts[i] = text(list[i])
	}
	return strings.Join(parts, ", ")
}

func statusText(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// ownFormat is a line of the stack's proxy.
func ownFormat(s *script, pools []bluegreen.Pool, statuses []int) string {
	status, pool, release := statuses[len(statuses)-1], pools[len(pools)-1].String(), "v1.0.0"
	if status == 0 {
		status = statusClientGone
	}
	if status == 502 || status == 504 || status == statusClientGone {
		pool, release = "", ""
	}
	addrs := listed(pools, addr)
	if pools[0] == bluegreen.NoPool {
		addrs = s.active.String() // nginx found no server
	}
	return fmt.Sprintf(`{"time_local":"%s","msec":"%.3f","remote_addr":"172.20.0.1","request":"%s %s HTTP/1.1","status":"%d",`+
		`"upstream_status":"%s","upstream_addr":"%s","request_time":"%.3f","upstream_response_time":"%.3f",`+
		`"pool":"%s","release":"%s","active":"%s","request_id":"%032x","bytes_sent":"200"}`,
		s.now.Format("02/Jan/2006:15:04:05 -0700"), float64(s.now.UnixMilli())/1000, s.method, s.path, status,
		listed(statuses, statusText), addrs, s.took.Seconds(), s.took.Seconds(), pool, release, s.active, s.n)
}

// kitFormat is a line of the reference kit, which names neither addresses nor the
// active pool.
func kitFormat(s *script, pools []bluegreen.Pool, statuses []int) string {
	status, pool := statuses[len(statuses)-1], pools[len(pools)-1].String()
	if status == 502 || status == 504 {
		pool = ""
	}
	return fmt.Sprintf(`{"time_local":"%s","remote_addr":"172.18.0.1","request":"%s %s HTTP/1.1","status":%d,`+
		`"upstream_status":"%s","pool":"%s","release":"v1.0.0"}`,
		s.now.Format("02/Jan/2006:15:04:05 -0700"), s.method, s.path, status, listed(statuses, statusText), pool)
}

// send writes n lines of one attempt per status: first on pool, then on the other.
func (s *script) send(n int, pool bluegreen.Pool, statuses ...int) *script {
	for range n {
		s.n++
		s.now = s.now.Add(s.step)
		pools, p := make([]bluegreen.Pool, len(statuses)), pool
		for i := range pools {
			pools[i], p = p, p.Other()
		}
		s.out.WriteString(s.format(s, pools, statuses))
		s.out.WriteByte('\n')
	}
	return s
}

func (s *script) ok(n int) *script { return s.send(n, s.active, 200) }

func (s *script) pause(d time.Duration) *script {
	s.now = s.now.Add(d)
	return s
}

// every writes n lines of which each k-th has the given statuses.
func (s *script) every(k, n int, statuses ...int) *script {
	for i := 1; i <= n; i++ {
		if i%k == 0 {
			s.send(1, s.active, statuses...)
		} else {
			s.ok(1)
		}
	}
	return s
}

// outage is what a dead active pool looks like: it is tried again once a second.
func (s *script) outage(seconds int) *script {
	for range seconds {
		s.send(1, s.active, 502, 200).send(19, s.active.Other(), 200)
	}
	return s
}

// syntheticLogs makes the logs that are not recorded, by name.
func syntheticLogs() map[string][]byte {
	logs := map[string]func(*script){
		"a01-errors-at-the-start": func(s *script) { s.send(5, blue, 500).every(5, 60, 500) },
		"a02-at-the-threshold":    func(s *script) { s.ok(196).send(4, blue, 500).ok(100).send(1, blue, 500) },
		"a03-around-the-threshold": func(s *script) {
			s.step = 100 * time.Millisecond
			for i := range 50 {
				s.every(36+14*(i%2), 200, 500) // 2.5 and 2 %
			}
		},
		"a04-traffic-stops": func(s *script) { s.ok(100).send(10, blue, 500) },
		"a05-old-errors":    func(s *script) { s.ok(30).send(19, blue, 500).pause(10 * time.Minute).ok(60) },
		"a10-posts-fail": func(s *script) {
			s.ok(100)
			for range 40 {
				s.ok(3)
				s.method = "POST"
				s.send(1, blue, 500)
				s.method = "GET"
			}
		},
		"a11-hang-of-some": func(s *script) {
			s.ok(100)
			for range 30 {
				s.send(1, blue, 504, 200).send(2, green, 200)
			}
		},
		"a12-round-robin": func(s *script) {
			s.format = kitFormat
			for range 150 {
				s.send(1, blue, 200).send(1, green, 200)
			}
			s.send(1, blue, 502, 200).send(30, green, 200)
		},
		"a13-scanner": func(s *script) {
			s.path = "/wp-login.php"
			s.step = 10 * time.Millisecond
			s.send(10_000, blue, 404)
		},
		"a14-there-and-back":            func(s *script) { s.ok(100).outage(10).ok(500) },
		"a15-again-within-the-cooldown": again,
		"a16-two-at-once":               func(s *script) { s.ok(200).send(8, blue, 500).outage(3).ok(20) },
		"a18-clock-steps": func(s *script) {
			s.ok(200).send(8, blue, 500)
			s.now = s.now.Add(-time.Hour)
			s.ok(1500)
			s.now = s.now.Add(2 * time.Hour)
			s.send(20, blue, 500).ok(100)
		},
		"a19-foreign-switch": func(s *script) {
			s.format = kitFormat
			s.ok(100)
			s.active = green
			s.ok(400)
		},
		"a19-foreign-failover": func(s *script) { s.format = kitFormat; s.ok(100).outage(30).ok(200) },
		"a20-reload-storm": func(s *script) {
			for range 20 {
				s.ok(50).send(2, blue, 502, 200).ok(2)
			}
		},
		"b01-on-the-backup-from-the-start": func(s *script) { s.send(100, green, 200).ok(200) },
		"b02-no-pool-names": func(s *script) {
			s.format = func(s *script, pools []bluegreen.Pool, statuses []int) string {
				line := ownFormat(s, pools, statuses)
				for _, p := range bluegreen.Pools() {
					line = strings.Replace(line, `"pool":"`+p.String()+`"`, `"pool":""`, 1)
				}
				return line
			}
			s.ok(100).outage(20).ok(300)
		},
		"b03-degraded": func(s *script) {
			s.step = 800 * time.Millisecond // slower than the fail timeout: blue is asked every time
			s.ok(100).every(8, 200, 500, 200).ok(300)
		},
		"b04-slower-than-usual": slower,
		"b06-slow": func(s *script) {
			s.ok(150)
			s.took = 800 * time.Millisecond
			s.ok(30)
			s.took = 4 * time.Millisecond
			s.ok(1600)
		},
		"b05-flapping": func(s *script) {
			for range 4 {
				s.ok(200).outage(4)
			}
			s.ok(300)
		},
	}
	out := make(map[string][]byte, len(logs))
	for name, write := range logs {
		s := newScript()
		write(s)
		out[name] = s.out.Bytes()
	}
	return out
}

// again fires and recovers three times within one cooldown.
func again(s *script) {
	s.step = 100 * time.Millisecond
	s.ok(200)
	for range 2 {
		s.send(6, blue, 500).ok(900)
	}
	s.send(6, blue, 500).ok(50)
}

// slower takes four times as long from some moment on, and then as before.
func slower(s *script) {
	s.step = 100 * time.Millisecond
	for i := range 1600 {
		s.took = time.Duration(20+i%10) * time.Millisecond
		s.ok(1)
	}
	s.took = 120 * time.Millisecond
	s.ok(300)
	s.took = 25 * time.Millisecond
	s.ok(1200)
}
