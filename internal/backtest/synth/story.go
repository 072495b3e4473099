package synth

import (
	"math/rand/v2"
	"time"
)

// request is what a line tells.
type request struct {
	at                time.Time
	client, method    string
	path, agent       string
	status            string
	upStatus, upAddr  string
	took, upTook      string
	pool, release     string
	active, id, bytes string
}

const (
	blueAddr  = "172.18.0.3:3000"
	greenAddr = "172.18.0.4:3000"
)

// generator walks through the story.
type generator struct {
	rng    *rand.Rand
	now    time.Time
	every  time.Duration
	total  int
	active string
	req    request
}

// chapter is a part of the story: it begins at a share of the log and lasts a
// number of lines, or a tenth of the log where that is short.
type chapter struct {
	from  float64
	lines int
	tell  func(*generator)
}

// story is the plot, in order.
func story() []chapter {
	return []chapter{
		{0.10, 1500, func(g *generator) { g.failing(30, "500") }},
		{0.25, 0, func(g *generator) { g.active = "green" }},
		{0.40, 3000, (*generator).failover},
		{0.55, 400, (*generator).outage},
		{0.60, 2000, func(g *generator) { g.scanner() }},
		{0.70, 800, (*generator).hang},
		{0.75, 0, func(g *generator) { g.active = "blue" }},
		{0.85, 2500, func(g *generator) { g.failing(8, "503") }},
		{0.90, 0, func(g *generator) { g.now = g.now.Add(20 * time.Minute) }},
	}
}

// next makes the i-th request.
func (g *generator) next(i int) {
	g.now = g.now.Add(time.Duration(g.rng.Int64N(2 * int64(g.every))))
	g.plain()
	for _, c := range story() {
		begin := int(c.from * float64(g.total))
		length := min(c.lines, g.total/20)
		if i == begin && length == 0 || i >= begin && i < begin+length {
			c.tell(g)
		}
	}
	if length := g.rng.IntN(1000); length == 0 && g.req.upStatus == "200" {
		g.answer("500")
	}
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

func pick[T any](g *generator, list ...T) T { return list[g.rng.IntN(len(list))] }

func other(pool string) string {
	if pool == "blue" {
		return "green"
	}
	return "blue"
}

func addrOf(pool string) string {
	if pool == "blue" {
		return blueAddr
	}
	return greenAddr
}

func releaseOf(pool string) string {
	if pool == "blue" {
		return "v1.0.0"
	}
	return "v2.0.0"
}

// plain is a request that goes well.
func (g *generator) plain() {
	g.req = request{
		at: g.now, client: g.client(), method: "GET", path: g.path(), agent: agent(g),
		took: g.seconds(40), bytes: digits(g.rng.IntN(60_000)), active: g.active, id: g.hex(32),
	}
	switch n := g.rng.IntN(100); {
	case n < 12:
		g.req.method = "POST"
	case n < 15:
		g.req.method = pick(g, "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
	}
	switch n := g.rng.IntN(100); {
	case n < 2: // nginx's own answer
		g.req.status = pick(g, "301", "404", "400")
		return
	case n < 4:
		g.answer("404")
	case n < 8:
		g.answer(pick(g, "201", "204", "304", "302", "401", "403"))
	default:
		g.answer("200")
	}
}

// answer makes the request one that the active pool answered.
func (g *generator) answer(status string) {
	r := &g.req
	r.status, r.upStatus, r.upAddr, r.upTook = status, status, addrOf(g.active), r.took
	r.pool, r.release = g.active, releaseOf(g.active)
}

// failing: the active pool answers some requests with an error.
func (g *generator) failing(percent int, status string) {
	if g.chance(percent) {
		g.answer(status)
	}
}

// failover: the active pool is gone, the other one answers.
func (g *generator) failover() {
	r, b := &g.req, other(g.active)
	r.status, r.pool, r.release = "200", b, releaseOf(b)
	r.upStatus, r.upAddr, r.upTook = "200", addrOf(b), r.took
	if g.chance(3) {
		r.upStatus, r.upAddr = "502, 200", addrOf(g.active)+", "+addrOf(b)
		r.upTook = "0.001, " + r.took
	}
}

// outage: nothing answers.
func (g *generator) outage() {
	r := &g.req
	r.status, r.pool, r.release = "502", "", ""
	r.upStatus, r.upAddr, r.upTook = "502", g.active, "0.000"
	if g.chance(20) {
		r.upStatus, r.upAddr = "502, 502", addrOf(g.active)+", "+addrOf(other(g.active))
		r.upTook = "0.001, 0.000"
	}
}

// scanner: someone looks for holes.
func (g *generator) scanner() {
	g.answer("404")
	g.req.path = pick(g, "/wp-login.php", "/.env", `/cgi-bin/\"test\"`, "/admin/", "/.git/config")
	g.req.client = "198.51.100.23"
}

// hang: the active pool does not answer in time; impatient clients leave.
func (g *generator) hang() {
	r := &g.req
	if !g.chance(30) {
		return
	}
	r.took = "3.0" + r.took[len(r.took)-2:]
	if g.chance(40) {
		r.status, r.upStatus, r.pool, r.release, r.upTook = "499", "-", "", "", r.took
		r.upAddr = addrOf(g.active)
		return
	}
	b := other(g.active)
	r.status, r.pool, r.release = "200", b, releaseOf(b)
	r.upStatus, r.upAddr, r.upTook = "504, 200", addrOf(g.active)+", "+addrOf(b), "3.000, 0.004"
}
