//go:build e2e && bench

package main_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bgctl/internal/load"
)

// The bars of the screen, on a machine that has a core to spare.
const (
	paintBar  = 100 * time.Millisecond
	keyBar    = 50 * time.Millisecond
	busyBar   = 10.0                   // percent of a core at 5,000 requests a second, the simulation's own work included
	idleBar   = 2.0                    // percent of a core when nothing happens
	memoryBar = 60                     // MiB
	dataBar   = 500 * time.Millisecond // to the first numbers of a real stack
)

// TestBenchDashboard measures the first paint, the time from a key to its paint, and
// what the process takes, in a terminal of 120 by 36.
func TestBenchDashboard(t *testing.T) {
	s := &stack{project: "demo", dir: t.TempDir()}
	var starts []firsts
	for range 7 {
		starts = append(starts, firstsOf(t, s, "--demo"))
	}
	paint, data := medians(starts)
	x := openScreen(t, s, 120, 36, "--demo", "--demo-rate", "5000")
	x.shows("FOLLOW ▼", "n 5")
	var keys []time.Duration
	for i := range 20 {
		key, want := "?", "enter does it"
		if i%2 == 1 {
			key, want = ":", "╔═ Command"
		}
		pressed := time.Now()
		x.press(key)
		for !strings.Contains(x.text(), want) {
		}
		keys = append(keys, time.Since(pressed))
		x.press("Escape")
		x.hides(want)
	}
	slices.Sort(keys)
	key := keys[len(keys)*95/100]
	busy := x.load(10 * time.Second)
	memory := x.memory()
	idle := openScreen(t, s, 120, 36, "--demo", "--demo-rate", "0")
	idle.shows("no request")
	quiet := idle.load(10 * time.Second)
	fmt.Printf("first paint %s, data %s (median of %d) · key to paint p95 %s · busy %.1f %% · idle %.1f %% · %d MiB\n",
		paint.Round(time.Millisecond), data.Round(time.Millisecond), len(starts), key.Round(time.Millisecond), busy, quiet, memory)
	if paint > paintBar || data > dataBar || key > keyBar || busy > busyBar || quiet > idleBar || memory > memoryBar {
		t.Errorf("over a bar: paint %s, data %s, key %s, busy %.0f %%, idle %.0f %%, %d MiB", paintBar, dataBar, keyBar, busyBar, idleBar, memoryBar)
	}
}

// TestBenchDashboard_FirstData measures a real stack under traffic: from the start of
// the process to the first frame and to the first real numbers.
func TestBenchDashboard_FirstData(t *testing.T) {
	shared.reset(t)
	tr := shared.start(t, load.Config{Clients: 4, Rate: 60})
	defer tr.stop()
	var starts []firsts
	for range 7 {
		starts = append(starts, firstsOf(t, shared))
	}
	paint, data := medians(starts)
	fmt.Printf("real stack: first paint %s · first data %s (median of %d)\n", paint.Round(time.Millisecond), data.Round(time.Millisecond), len(starts))
	if paint > paintBar || data > dataBar {
		t.Errorf("over a bar: paint %s, data %s", paintBar, dataBar)
	}
}

// load is the part of a core that the dashboard takes, in percent.
func (x *terminal) load(d time.Duration) float64 {
	before := x.ticks()
	time.Sleep(d)
	const ticksPerSecond = 100
	return 100 * float64(x.ticks()-before) / ticksPerSecond / d.Seconds()
}

// ticks is the processor time of the dashboard.
func (x *terminal) ticks() int {
	x.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", x.pid))
	if err != nil {
		x.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	user, err1 := strconv.Atoi(fields[12])
	system, err2 := strconv.Atoi(fields[13])
	if err1 != nil || err2 != nil {
		x.t.Fatalf("read %q: %v, %v", stat, err1, err2)
	}
	return user + system
}

// memory is what the dashboard holds, in MiB.
func (x *terminal) memory() int {
	x.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.pid))
	if err != nil {
		x.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				x.t.Fatal(err)
			}
			return kib >> 10
		}
	}
	x.t.Fatal("the kernel does not tell the memory")
	return 0
}
