package tui_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// rows gives the model requests, one for each path, a second apart.
func (s *screen) rows(paths ...string) {
	s.feed(func(f *tui.FeedSnapshot) {
		f.Rows = nil
		for i, p := range paths {
			f.Rows = append(f.Rows, logstream.Record{Time: s.clock.Add(time.Duration(i) * time.Second), Method: "GET", Path: p, Status: 200, Served: bluegreen.Blue, RequestID: fmt.Sprintf("id%d", i)})
		}
	})
}

// quietly is a screen whose log has only the rows that a test gives it.
func quietly(t *testing.T, w, h int) *screen {
	t.Helper()
	u := usual(w, h)
	u.sim.Rate = 0
	return live(t, u)
}

func TestLog_FilterHidesAndInverts(t *testing.T) {
	s := quietly(t, 120, 36)
	s.rows("/cart", "/pay", "/cart/7", "/help")
	s.press("f")
	s.typed("CART")
	s.contains("filter: CART", "2 matches")
	s.press("enter")
	s.contains("f:cart 2", "/cart/7")
	s.lacks("/pay", "/help")
	s.rows("/cart/8", "/other")
	s.contains("f:cart 3", "/cart/8")
	s.lacks("/other")
	s.press("f", "ctrl+u")
	s.typed("!cart")
	s.press("enter")
	s.contains("/pay", "/other", "f:!cart 3")
	s.lacks("/cart/7")
	s.press("f", "ctrl+u")
	s.typed("nothing like it")
	s.press("enter")
	s.contains(`no request passes the filter "nothing like it"`)
	s.press("esc")
	s.contains("/cart", "/help")
}

func TestLog_EscapeInThePromptKeepsTheOldFilter(t *testing.T) {
	s := quietly(t, 120, 36)
	s.rows("/cart", "/pay")
	s.press("f")
	s.typed("cart")
	s.press("enter", "f")
	s.typed("xx")
	s.lacks("/cart  ")
	s.press("esc")
	s.contains("f:cart 1", "/cart")
}

func TestLog_WrapShowsTheWholeRow(t *testing.T) {
	long := "/" + strings.Repeat("a", 180) + "/END"
	s := quietly(t, 80, 24)
	s.rows("/first", long)
	s.lacks("/END")
	s.press("w")
	s.contains("/END", "/first", "req=id1")
	exact(t, s.View().Content, 80, 24)
	s.press("w")
	s.lacks("/END")
}

func TestLog_TimestampsChange(t *testing.T) {
	s := quietly(t, 120, 36)
	s.rows("/x")
	s.press("T")
	s.contains("03-04 14:32:07.000 BLUE")
	s.press("T")
	s.contains("-0s     BLUE")
	s.press("T")
	s.contains("┃ BLUE  200")
	s.press("T")
	s.contains("14:32:07 BLUE")
}

func TestLog_BookmarksAreFoundAgainAndDrawnInThePlots(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("'")
	s.contains("no bookmark; B sets one")
	s.press("k", "k", "B")
	s.contains("┃●14:32:0")
	s.press("G", "B", "k", "k", "k", "'")
	s.contains("●14:32:0")
	if axis := strings.Split(s.text(), "\n"); !strings.Contains(strings.Join(axis[10:20], "\n"), "●") {
		t.Errorf("no bookmark is on the time axis:\n%s", s.text())
	}
	s.press("B")
	s.press("'", "B", "'")
	s.contains("no bookmark")
}

func TestLog_CopiesOneLineAndAllLines(t *testing.T) {
	s := quietly(t, 120, 36)
	s.rows("/a", "/b", "/c")
	if cmd := s.press("y"); cmd == nil || !strings.Contains(fmt.Sprint(cmd()), "GET /c 200 BLUE") {
		t.Error("y does not copy the newest row")
	}
	s.contains("copied ", "(1 line)")
	cmd := s.press("Y")
	if text := fmt.Sprint(cmd()); strings.Count(text, "\n") != 2 || !strings.Contains(text, "/a") {
		t.Errorf("Y copies %q", text)
	}
	s.contains("(3 lines)")
}

func TestLog_SaysHowManyRowsWereNotShown(t *testing.T) {
	s := quietly(t, 120, 36)
	s.feed(func(f *tui.FeedSnapshot) { f.DroppedRows = 12345 })
	s.rows("/x")
	s.contains("12 345 rows not shown")
}

func TestSave_KeepsScreenLogAndMetrics(t *testing.T) {
	var got tui.Saved
	u := usual(120, 36)
	u.deps = func(d *tui.Deps) {
		d.Save = func(_ context.Context, s tui.Saved) (string, error) { got = s; return "/tmp/bgctl-shop", nil }
	}
	s := live(t, u)
	s.press("f")
	s.typed("/cart")
	s.press("enter")
	s.settle(s.press("S"))
	s.contains("saved to /tmp/bgctl-shop")
	if strings.Contains(got.Text, "\x1b") || !strings.Contains(got.ANSI, "\x1b[") || !strings.Contains(got.Text, "BLUE  ▶ ACTIVE") {
		t.Errorf("text %q, ansi %q", got.Text, got.ANSI)
	}
	if n := strings.Count(got.Log, "\n"); n == 0 || strings.Count(got.Log, "/cart") != n {
		t.Errorf("the log holds other rows than the filter shows:\n%s", got.Log)
	}
	var m tui.Metrics
	if err := json.Unmarshal(got.Metrics, &m); err != nil {
		t.Fatal(err)
	}
	if m.Active != bluegreen.Blue || m.Window.N != 200 || len(m.Pools["blue"].Points) != 300 || m.Pools["blue"].Points[299].Requests == 0 {
		t.Errorf("metrics %+v", m)
	}
}

func TestSave_SaysWhyItFailed(t *testing.T) {
	u := usual(80, 24)
	u.deps = func(d *tui.Deps) {
		d.Save = func(context.Context, tui.Saved) (string, error) { return "", errors.New("disk full") }
	}
	s := live(t, u)
	s.settle(s.press("S"))
	s.contains("not saved: disk full")
}
