package tui

import (
	"fmt"
	"strconv"
	"strings"

	"bgctl/internal/bluegreen"
)

// containerPanel lists the deployment's containers. The selection is kept by ID,
// so that it never slides to another container when rows move.
type containerPanel struct {
	selected string
	top      int
}

// row is one container with the pool it belongs to.
type row struct {
	*bluegreen.Container
	pool bluegreen.Pool
}

// rows lists all containers, pools first.
func (s *scene) rows() []row {
	if s.dep == nil {
		return nil
	}
	var out []row
	for _, pool := range bluegreen.Pools() {
		ps := s.dep.Pool(pool)
		for i := range ps.Containers {
			out = append(out, row{&ps.Containers[i], pool})
		}
	}
	for _, c := range []*bluegreen.Container{s.dep.Proxy, s.dep.Watcher} {
		if c != nil {
			out = append(out, row{c, bluegreen.NoPool})
		}
	}
	for i := range s.dep.Others {
		out = append(out, row{&s.dep.Others[i], bluegreen.NoPool})
	}
	return out
}

// current returns the selected row and its index, the first row when the selected
// container is gone.
func (p *containerPanel) current(rows []row) (row, int) {
	for i, r := range rows {
		if r.ID == p.selected {
			return r, i
		}
	}
	if len(rows) == 0 {
		return row{}, -1
	}
	return rows[0], 0
}

// move moves the selection by n rows.
func (p *containerPanel) move(rows []row, n int) {
	_, i := p.current(rows)
	if i >= 0 {
		p.selected = rows[max(0, min(len(rows)-1, i+n))].ID
	}
}

// title counts what runs.
func (p *containerPanel) title(s *scene) title {
	t := title{left: tabTitle(s, panelContainers, "Containers"), old: s.depErr != nil}
	running, rows := 0, s.rows()
	for _, r := range rows {
		if r.State == "running" {
			running++
		}
	}
	switch {
	case s.depErr != nil && s.dep != nil:
		t.right = []seg{{inkWarn, "as of " + clock(s.dep.At)}}
	case s.dep != nil:
		t.right = []seg{{plain, strconv.Itoa(running) + " running"}}
		if n := len(rows) - running; n > 0 {
			t.right = append(t.right, seg{inkWarn, fmt.Sprintf(" · ▲ %d not", n)})
		}
	}
	return t
}

// draw draws the table.
func (p *containerPanel) draw(c canvas, s *scene) {
	rows := s.rows()
	if len(rows) == 0 {
		if s.dep == nil {
			c.note(muted, "waiting for docker")
			return
		}
		c.note(inkWarn, "no containers", "bring the stack up: bgctl up")
		return
	}
	name := max(12, min(28, c.rect.w-54))
	head := pad("NAME", name) + " POOL  STATE      HEALTH     CPU     MEM RESTARTS"
	wide := c.rect.w >= name+4+52+36
	if wide {
		head += "  UP      RELEASE           IMAGE"
	}
	c.fit(3, 0, c.rect.w-4, muted, head)
	_, sel := p.current(rows)
	h := c.rect.h - 1
	p.top = max(0, min(p.top, len(rows)-h))
	p.top = max(min(p.top, sel), sel-h+1)
	for y := range min(h, len(rows)-p.top) {
		r := rows[p.top+y]
		drawContainer(c.sub(rect{0, y + 1, c.rect.w, 1}), name, s, r)
		if p.top+y == sel {
			c.put(1, y+1, bold, "▸")
			if s.focus == panelContainers {
				c.restyle(0, c.rect.w, y+1, bold)
			}
		}
	}
}

// drawContainer draws one row of the table. The project stands in the header and
// is left out of the names.
func drawContainer(c canvas, name int, s *scene, r row) {
	const y = 0
	c.fit(3, y, name, plain, clean(strings.TrimPrefix(r.Name, s.dep.Project+"-")))
	x := c.put(4+name, y, inkOf(r.pool), pad(upper(r.pool), 6))
	st, state := plain, clean(r.State)
	switch {
	case r.State == "exited" || r.State == "dead":
		st, state = inkCrit, fmt.Sprintf("× exit %d", r.ExitCode)
	case r.State != "running":
		st, state = inkWarn, "▲ "+state
	}
	x = c.put(x, y, st, pad(clip(state, 10), 11))
	st, health := healthOf(r.Container)
	x = c.put(x, y, st, pad(clip(health, 10), 10))
	cpu := "–"
	if r.State == "running" {
		cpu = fmt.Sprintf("%.0f%%", r.CPU)
	}
	c.right(x+4, y, plain, cpu)
	c.right(x+12, y, plain, size(r.Memory))
	st, restarts := plain, strconv.Itoa(r.Restarts)
	if r.Restarts > 0 {
		st, restarts = inkWarn, restarts+" ▲"
	}
	c.put(x+13, y, st, restarts)
	if c.rect.w < name+4+52+36 {
		return
	}
	x += 23
	c.put(x, y, plain, upFor(s, r.Container))
	c.fit(x+8, y, 17, plain, or(clean(r.Release), "–"))
	c.fit(x+26, y, c.rect.w-x-27, muted, clean(r.Image))
}

// upFor is how long a container has been running.
func upFor(s *scene, c *bluegreen.Container) string {
	if c.State != "running" || c.StartedAt.IsZero() {
		return "–"
	}
	return age(s.now.Sub(c.StartedAt))
}

// containerDetails are the lines of a container's details box.
func containerDetails(s *scene, r row) []string {
	c := r.Container
	_, health := healthOf(c)
	lines := []string{
		clean(c.Name),
		pad("id", 10) + clip(clean(c.ID), 14),
		pad("service", 10) + clean(c.Service) + "  " + upper(r.pool),
		pad("image", 10) + clean(c.Image),
		pad("release", 10) + or(clean(c.Release), "–"),
		pad("state", 10) + clean(c.State) + exitText(c),
		pad("health", 10) + health,
		pad("up", 10) + upFor(s, c) + "  since " + c.StartedAt.Format("2006-01-02 15:04:05"),
		pad("uses", 10) + fmt.Sprintf("%.1f%% of a core, %s", c.CPU, size(c.Memory)),
		pad("restarts", 10) + strconv.Itoa(c.Restarts),
	}
	if c.HealthLog != "" {
		lines = append(lines, pad("probe", 10)+clean(c.HealthLog))
	}
	for _, addr := range c.Addrs {
		lines = append(lines, pad("address", 10)+clean(addr))
	}
	if c.Published != "" {
		lines = append(lines, pad("published", 10)+clean(c.Published))
	}
	return append(lines, "", "l follows its output · r restarts it · K kills its pool")
}

// exitText says how a container ended.
func exitText(c *bluegreen.Container) string {
	switch {
	case c.OOMKilled:
		return ", killed: out of memory"
	case c.State == "exited" || c.State == "dead":
		return fmt.Sprintf(", exit code %d", c.ExitCode)
	}
	return ""
}

// healthOf says how healthy a container is, in words.
func healthOf(c *bluegreen.Container) (style, string) {
	switch {
	case c.OOMKilled:
		return inkCrit, "× OOM"
	case c.State != "running":
		return muted, "–"
	case c.Health == "unhealthy":
		return inkCrit, "× failing"
	case c.Health == "starting":
		return inkWarn, "◌ starting"
	case c.Health == "":
		return muted, "no check"
	}
	return plain, clean(c.Health)
}

// tabTitle is the left title of panels 5 to 7: in smaller layouts they share a
// place and show one another as tabs.
func tabTitle(s *scene, id panelID, name string) []seg {
	if s.kind == layoutFull || s.zoomed {
		return []seg{{muted, strconv.Itoa(int(id)) + " "}, {plain, name}}
	}
	names := map[panelID]string{panelContainers: "Containers", panelEvents: "Events", panelLogs: "Logs"}
	var out []seg
	for p := panelContainers; p <= panelLogs; p++ {
		text, st := strconv.Itoa(int(p))+" "+names[p], muted
		if s.kind == layoutMini {
			text = names[p]
		}
		if p == id {
			text, st = "["+text+"]", bold
		}
		if len(out) > 0 {
			text = " " + text
		}
		out = append(out, seg{st, text})
	}
	return out
}
