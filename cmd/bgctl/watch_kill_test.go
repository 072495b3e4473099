//go:build !e2e

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

// kills is how often the watcher is killed.
const kills = 100

// TestWatch_KilledAHundredTimesLosesAndRepeatsNothing kills the real process at
// random moments while pools fail over, go down, come back and are switched. Every
// alert is told, once; a second message about one says that it may be a duplicate.
func TestWatch_KilledAHundredTimesLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	b := newWatchBench(t)
	b.slack.Fail(slack.Fault{Delay: 20 * time.Millisecond}) // so that kills meet messages on their way
	begin := time.Now()
	cmd := b.start()
	b.write(answered, 60)
	b.until(20*time.Second, "the first position is saved", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	// A life is long enough for some to get as far as telling, on a slow machine too.
	longest := min(max(3*time.Since(begin), 500*time.Millisecond), 700*time.Millisecond)

	var want []string
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		want = b.burst(stop)
	}()
	begin = time.Now()
	for range kills {
		time.Sleep(rand.N(longest)) //nolint:gosec // a moment to die is no secret
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatalf("the watcher ended by itself: %v\n%s", err, tailOf(b.out.String()))
		}
		_ = cmd.Wait()
		cmd = b.start()
	}
	took := time.Since(begin)
	close(stop)
	<-stopped
	b.until(30*time.Second, "everything is told", func() bool { return b.pending() == 0 && len(b.told()) >= len(want) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()

	if got := b.told(); !slices.Equal(got, want) {
		t.Errorf("events differ: %d happened, %d are in the history\nwant %s\n got %s", len(want), len(got), want, got)
	}
	messages := b.messages()
	b.checkChains(t, messages)
	duplicates := checkDuplicates(t, messages)
	t.Logf("%d kills in %v: %d transitions, %d messages, %d of them marked as possible duplicates",
		kills, took.Round(time.Millisecond), len(want), len(messages), duplicates)
	if len(want) < 40 || len(messages) < 5 {
		t.Errorf("only %d transitions and %d messages: the burst proves little", len(want), len(messages))
	}
}

// burst writes requests until stop is closed and returns the transitions that they
// make for certain: switches and outages of both pools.
func (b *watchBench) burst(stop <-chan struct{}) []string {
	var want []string
	rest := func() bool {
		select {
		case <-stop:
			return false
		case <-time.After(time.Duration(50+rand.IntN(250)) * time.Millisecond): //nolint:gosec // a pause is no secret
			return true
		}
	}
	for round := 0; rest(); round++ {
		b.write(noPool, 4)
		want = append(want, "all_down firing")
		rest()
		b.write(answered, 15)
		want = append(want, "all_down resolved")
		rest()
		if round%3 == 0 {
			b.write(failedOver, 6) // a failover, or by now a flapping pool
			rest()
		}
		from := b.active
		b.active = from.Other()
		b.write(answered, 12)
		want = append(want, fmt.Sprintf("switch %s>%s", from, b.active))
	}
	return want
}

// told returns the certain transitions as the history has them.
func (b *watchBench) told() []string {
	var got []string
	for _, e := range b.entries() {
		switch ev := e.Event; {
		case ev == nil || ev.Deferred:
		case ev.Type == alert.AllDown:
			got = append(got, "all_down "+string(ev.Status))
		case ev.Type == alert.Switch:
			got = append(got, fmt.Sprintf("switch %s>%s", ev.From, ev.To))
		}
	}
	return got
}

// checkChains follows every event that is not muted to the message that told it:
// its own, or the one of a newer event of its type.
func (b *watchBench) checkChains(t *testing.T, messages []posted) {
	t.Helper()
	accepted := map[string]bool{}
	for _, m := range messages {
		accepted[m.id] = true
	}
	inPlaceOf := map[string]string{}
	seen := map[string]int{}
	newest := map[alert.Type]string{}
	entries := b.entries()
	for _, e := range entries {
		if d := e.Delivery; d != nil && d.Receiver == "slack" {
			if by, ok := strings.CutPrefix(d.Reason, "told together with "); ok && d.State == alert.Muted {
				inPlaceOf[d.Event] = by
			}
		}
	}
	for _, e := range entries {
		ev := e.Event
		if ev == nil || ev.Muted != "" {
			continue
		}
		seen[ev.ID]++
		newest[ev.Type] = ev.ID
		id := ev.ID
		for hops := 0; !accepted[id]; hops++ {
			by, ok := inPlaceOf[id]
			if !ok || hops > len(inPlaceOf) {
				t.Errorf("%s (%s %s) was never told", ev.ID, ev.Type, ev.Status)
				break
			}
			id = by
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s stands %d times in the history", id, n)
		}
	}
	for typ, id := range newest {
		last := ""
		for _, m := range messages {
			if strings.HasPrefix(m.id, string(typ)+"-") {
				last = m.id
			}
		}
		if last != id {
			t.Errorf("the last message about %s is %s, the last event %s", typ, last, id)
		}
	}
}

// checkDuplicates fails on a second message about an event that does not say that
// it may be one, and returns how many messages say so.
func checkDuplicates(t *testing.T, messages []posted) int {
	t.Helper()
	marked := 0
	plain := map[string]int{}
	for _, m := range messages {
		if m.duplicate {
			marked++
			continue
		}
		plain[m.id]++
	}
	for _, id := range slices.Sorted(maps.Keys(plain)) {
		if plain[id] > 1 {
			t.Errorf("%s was told %d times without a word", id, plain[id])
		}
	}
	return marked
}
