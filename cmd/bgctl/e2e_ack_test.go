//go:build e2e

package main_test

import (
	"strings"
	"testing"
	"time"

	"bgctl/internal/load"
)

// An acknowledgement must be seen by everybody, survive a restart of the watcher, and
// end with its alert.
func TestAck_IsSeenByEverybodyAndEndsWithTheAlert(t *testing.T) {
	shared.reset(t)
	t.Cleanup(func() { shared.reset(t) })
	if r := shared.run("ack", "failover"); r.code != 4 || strings.TrimSpace(r.err) != "bgctl: failover does not fire" {
		t.Errorf("nothing fires: exit %d, %s", r.code, r.err)
	}
	tr := shared.start(t, load.Config{Clients: 4, Rate: 60, Methods: []string{"GET"}})
	defer tr.stop()
	one, two := openScreen(t, shared, 120, 36), openScreen(t, shared, 80, 24)
	one.shows("FOLLOW ▼", "rps")
	shared.must(t, "chaos", "blue", "--mode", "kill", "--yes")
	one.shows("[x] ack", "attempts failed since")
	two.shows("1 ALERT")
	one.press("x")
	one.shows("△ ack by ")
	two.shows("△ ack by ")
	status := func() string { return shared.run("status").out }
	if out := status(); !strings.Contains(out, "acknowledged by ") {
		t.Errorf("status does not tell:\n%s", out)
	}
	if r := shared.must(t, "ack", "failover"); !strings.Contains(r.out, "already acknowledged by ") {
		t.Errorf("a second time: %s", r.out)
	}
	docker(t, "restart", "-t", "6", shared.container(t, "alert_watcher"))
	eventually(t, 20*time.Second, "it is still acknowledged after a restart", func() bool {
		return strings.Contains(status(), "acknowledged by ")
	})
	if r := shared.must(t, "ack", "failover", "--by", "ana", "--for", "5m", "--json"); !strings.Contains(r.out, `"in_force":true`) {
		t.Errorf("another name: %s", r.out)
	}
	two.shows("△ ack by ana")
	events := shared.must(t, "events", "--type", "acknowledged").out
	if strings.Count(events, "looks after failover until") != 2 {
		t.Errorf("the history tells:\n%s", events)
	}
	shared.must(t, "heal", "blue")
	eventually(t, 60*time.Second, "the alert ends", func() bool { return shared.run("ack", "failover").code == 4 })
	two.hides("△ ack by")
}

// A maintenance that somebody else began must stand on every screen, also on one that
// is opened later.
func TestMaintenance_IsSeenOnEveryScreen(t *testing.T) {
	shared.reset(t)
	t.Cleanup(func() { shared.must(t, "maintenance", "off") })
	x := openScreen(t, shared, 120, 36)
	x.shows("● LIVE")
	shared.must(t, "maintenance", "on", "--for", "10m", "--by", "jo@web-1")
	x.shows("MAINTENANCE by jo@web-1: ", "until ")
	late := openScreen(t, shared, 80, 24)
	late.shows("MAINTENANCE by jo@web-1")
	shared.must(t, "maintenance", "off")
	x.hides("MAINTENANCE")
	late.hides("MAINTENANCE")
}

// ctrl+z must give the shell back, and fg the screen with what happened meanwhile.
func TestDashboard_SuspendsAndComesBack(t *testing.T) {
	shared.reset(t)
	x := openShell(t, shared, 120, 36)
	x.typed("'" + bin() + "' -p " + shared.project + " dashboard; echo left with $?\n")
	x.shows("1 BLUE  ▶ ACTIVE")
	x.press("C-z")
	x.shows("Stopped")
	x.hides("1 BLUE")
	get(t, shared.url()+"/while-suspended")
	x.typed("echo the shell $((40+2))\n")
	x.shows("the shell 42")
	x.typed("fg\n")
	x.shows("1 BLUE  ▶ ACTIVE", "/while-suspended")
	get(t, shared.url()+"/after-fg")
	x.shows("/after-fg", "● LIVE")
	x.press("q")
	x.hides("1 BLUE")
	x.typed("echo usable\n")
	x.shows("usable")
}
