//go:build e2e

package main_test

import (
	"testing"

	"bgctl/internal/load"
)

// What the tour leaves out: deploy, ending a bake, taking it back, restart and maintenance
// by key, on a real stack whose users must notice nothing.
func TestDashboard_ActsByKey(t *testing.T) {
	t.Parallel()
	s, r := deployStack(t, "keys", impatient)
	tr := s.start(t, load.Config{Clients: 2, Rate: 40})
	x := openScreen(t, s, 120, 36)
	x.shows("1 BLUE  ▶ ACTIVE", "FOLLOW ▼")
	x.press("5", "r")
	x.shows("Restart BLUE", "Type blue to confirm")
	x.typed("blue")
	x.press("Enter", "Enter")
	x.shows(toastEnd, "blue is healthy again")
	x.escape(toastEnd)

	deployByKey(x, r.ref("v2"))
	x.shows("BAKING GREEN", "2 GREEN  ▶ ACTIVE", "rolls back to BLUE above 2%")
	x.hides("DEPLOYING")
	x.press("P")
	x.shows("Promote GREEN")
	x.press("y")
	x.hides("BAKING GREEN")
	x.shows("green is no longer watched")
	x.escape(toastEnd)

	// Taken back while it bakes: the deploy and the rollback run from one screen.
	deployByKey(x, r.ref("v3"))
	x.shows("BAKING BLUE", "1 BLUE  ▶ ACTIVE")
	x.hides("DEPLOYING")
	x.press("b")
	x.shows("Roll back")
	x.press("y")
	x.shows("2 GREEN  ▶ ACTIVE")
	x.hides("BAKING BLUE")
	x.escape(toastEnd)

	x.press("M")
	x.shows("Maintenance: alerts")
	x.press("Enter")
	x.shows("MAINTENANCE")
	x.press("M")
	x.shows("Maintenance: alerts")
	x.press("Enter")
	x.hides("MAINTENANCE")
	x.press("q")
	if code := x.ended(); code != "0" {
		t.Errorf("the dashboard ended with %s", code)
	}
	if rep := tr.stop(); rep.Failed != 0 {
		t.Error(rep.String())
	}
	if got := s.active(t); got != "green" {
		t.Errorf("active is %s, want green", got)
	}
}

// deployByKey deploys an image to the standby and sees that it takes traffic.
func deployByKey(x *terminal, image string) {
	x.t.Helper()
	x.press("D")
	x.shows("image")
	x.typed(image)
	x.press("Enter")
	x.shows("Deploy ", "[ Cancel ]")
	x.press("y")
	x.shows("DEPLOYING")
}
