package bluegreentest

import (
	"context"
	"errors"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// RouterContract checks what every [bluegreen.Router] owes its callers. open
// returns a new connection to one and the same proxy, whose active pool is blue.
func RouterContract(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	t.Run("route moves traffic for every connection", func(t *testing.T) { contractRoute(t, open) })
	t.Run("the lock excludes other connections until close", func(t *testing.T) { contractLock(t, open) })
	t.Run("an operation is unfinished until it is finished", func(t *testing.T) { contractJournal(t, open) })
	t.Run("faults are kept until cleared", func(t *testing.T) { contractFaults(t, open) })
	t.Run("a pool is kept out of the failover until it is let in", func(t *testing.T) { contractSolo(t, open) })
	t.Run("a bake is live while its connection lasts", func(t *testing.T) { contractBake(t, open) })
	t.Run("the journal replaces an entry that is finished again", func(t *testing.T) { contractHistory(t, open) })
	t.Run("what stands in a pool is what was recorded last", func(t *testing.T) { contractStanding(t, open) })
	t.Run("settings are in force when they were not only checked", func(t *testing.T) { contractConfigure(t, open) })
	t.Run("probes answer one by one", func(t *testing.T) { contractProbe(t, open) })
}

func contractRoute(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	lock(t, a)
	for _, pool := range []bluegreen.Pool{bluegreen.Green, bluegreen.Green, bluegreen.Blue} {
		if err := a.Route(t.Context(), pool); err != nil {
			t.Fatalf("Route(%s): %v", pool, err)
		}
		if got := status(t, b).Active; got != pool {
			t.Errorf("after Route(%s) another connection sees %s", pool, got)
		}
	}
	if err := a.Route(t.Context(), bluegreen.NoPool); err == nil {
		t.Error("Route to no pool succeeded")
	}
	if got := status(t, b).Active; got != bluegreen.Blue {
		t.Errorf("a refused Route moved traffic to %q", got)
	}
}

func contractLock(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	me := bluegreen.Holder{User: "ana", Host: "desk", PID: 7, What: "bgctl switch green", Since: time.Unix(1, 0).UTC()}
	must(t, a.Lock(t.Context(), me))
	must(t, a.Lock(t.Context(), me))
	err := b.Lock(t.Context(), bluegreen.Holder{User: "bob"})
	var locked *bluegreen.LockedError
	if !errors.As(err, &locked) || locked.Holder != me {
		t.Fatalf("second Lock = %v, want it refused naming %+v", err, me)
	}
	if got := status(t, b).Lock; got == nil || *got != me {
		t.Errorf("status shows the holder %v, want %+v", got, me)
	}
	if got := status(t, a).Lock; got != nil {
		t.Errorf("the holder sees itself as another one: %+v", got)
	}
	must(t, a.Unlock(t.Context()))
	must(t, b.Lock(t.Context(), bluegreen.Holder{User: "bob"}))
	must(t, b.Close())
	eventually(t, "the lock is free after close", func() bool { return a.Lock(t.Context(), me) == nil })
	must(t, a.Unlock(t.Context()))
}

func contractJournal(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	op := bluegreen.Operation{ID: "switch-1", Kind: bluegreen.ActSwitch, From: bluegreen.Blue, To: bluegreen.Green}
	lock(t, a)
	must(t, a.Begin(t.Context(), op))
	must(t, a.Unlock(t.Context()))
	if got := status(t, b).Unfinished; got == nil || got.ID != op.ID {
		t.Fatalf("unfinished = %+v, want %s", got, op.ID)
	}
	op.Ending, op.Result = bluegreen.EndDone, "done"
	lock(t, a)
	must(t, a.Finish(t.Context(), op))
	must(t, a.Unlock(t.Context()))
	st := status(t, b)
	if st.Unfinished != nil || st.Last == nil || st.Last.Result != "done" {
		t.Errorf("after Finish: unfinished %+v, last %+v", st.Unfinished, st.Last)
	}
}

func contractFaults(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	f := bluegreen.Fault{Pool: bluegreen.Green, Mode: bluegreen.FaultPause, Containers: []string{"c1"}}
	lock(t, a)
	must(t, a.SetFault(t.Context(), f))
	if got := status(t, b).Faults; len(got) != 1 || got[0].Mode != bluegreen.FaultPause || got[0].Containers[0] != "c1" {
		t.Fatalf("faults = %+v, want %+v", got, f)
	}
	must(t, a.ClearFault(t.Context(), bluegreen.Blue))
	must(t, a.ClearFault(t.Context(), bluegreen.Green))
	if got := status(t, b).Faults; len(got) != 0 {
		t.Errorf("faults after clearing = %+v", got)
	}
}

func contractSolo(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	solo := bluegreen.Solo{Pool: bluegreen.Green, By: bluegreen.Holder{User: "ana"}, Since: time.Unix(5, 0).UTC()}
	lock(t, a)
	must(t, a.SetSolo(t.Context(), &solo))
	must(t, a.Unlock(t.Context()))
	if got := status(t, b).Solo; got == nil || *got != solo {
		t.Fatalf("solo = %+v, want %+v", got, solo)
	}
	lock(t, b)
	must(t, b.SetSolo(t.Context(), nil))
	must(t, b.SetSolo(t.Context(), nil))
	must(t, b.Unlock(t.Context()))
	if got := status(t, a).Solo; got != nil {
		t.Errorf("solo after it was ended = %+v", got)
	}
}

func contractBake(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	bake := bluegreen.Bake{Operation: "deploy-1", Pool: bluegreen.Green, From: bluegreen.Blue, Threshold: 2}
	lock(t, a)
	must(t, a.BeginBake(t.Context(), bake))
	must(t, a.Unlock(t.Context()))
	for name, r := range map[string]bluegreen.Router{"its own": a, "another": b} {
		if got := status(t, r).Bake; got == nil || !got.Live || got.Operation != "deploy-1" {
			t.Fatalf("on %s connection: bake = %+v, want a live one", name, got)
		}
	}
	lock(t, b)
	if err := b.BeginBake(t.Context(), bake); err == nil {
		t.Error("a second bake began")
	}
	must(t, b.Unlock(t.Context()))
	bake.Verdict.Requests = 7
	if stands, err := a.UpdateBake(t.Context(), bake); err != nil || !stands {
		t.Fatalf("UpdateBake = %t, %v; want it to stand", stands, err)
	}
	must(t, a.Close())
	eventually(t, "the record of a dead bake says so", func() bool {
		got := status(t, b).Bake
		return got != nil && !got.Live && got.Verdict.Requests == 7
	})
	c := open(t)
	lock(t, c)
	must(t, c.EndBake(t.Context(), bake.Operation))
	must(t, c.BeginBake(t.Context(), bake))
	must(t, c.Unlock(t.Context()))
	lock(t, b)
	must(t, b.EndBake(t.Context(), "another"))
	if stands, err := c.UpdateBake(t.Context(), bake); err != nil || !stands {
		t.Errorf("UpdateBake after another operation's bake was ended = %t, %v; want it to stand", stands, err)
	}
	must(t, b.EndBake(t.Context(), bake.Operation))
	must(t, b.Unlock(t.Context()))
	if stands, err := c.UpdateBake(t.Context(), bake); err != nil || stands {
		t.Errorf("UpdateBake after another ended it = %t, %v; want it gone", stands, err)
	}
	if got := status(t, b).Bake; got != nil {
		t.Errorf("the record is back: %+v", got)
	}
	// What came of its own bake is recorded without the lock: another one may hold it.
	lock(t, b)
	must(t, c.EndBake(t.Context(), bake.Operation))
	must(t, c.Finish(t.Context(), bluegreen.Operation{ID: bake.Operation, Kind: bluegreen.ActDeploy, Bake: &bake}))
	must(t, b.Unlock(t.Context()))
	if got := status(t, b).Last; got == nil || got.ID != bake.Operation {
		t.Errorf("last = %+v, want the operation that was watched", got)
	}
}

func contractStanding(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	want := bluegreen.Standing{
		Pool: bluegreen.Green, Release: bluegreen.Release{ID: "v2", Image: "shop:2", ImageID: "sha256:2"}, Config: "c1",
		Operation: "deploy-1", By: bluegreen.Holder{User: "ana"}, Since: time.Unix(7, 0).UTC(),
	}
	lock(t, a)
	must(t, a.SetStanding(t.Context(), bluegreen.Standing{Pool: bluegreen.Green, Release: bluegreen.Release{ID: "v1"}}))
	must(t, a.SetStanding(t.Context(), want))
	if got := status(t, b).Standing; len(got) != 1 || got[0] != want {
		t.Fatalf("standing = %+v, want %+v", got, want)
	}
	must(t, a.SetStanding(t.Context(), bluegreen.Standing{Pool: bluegreen.Blue, Release: bluegreen.Release{ID: "v1"}}))
	if got := status(t, b).Standing; len(got) != 2 || got[0].Pool != bluegreen.Blue || got[1] != want {
		t.Errorf("standing = %+v, want blue and %+v", got, want)
	}
}

func contractConfigure(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	lock(t, a)
	_, err := a.Configure(t.Context(), bluegreen.Configuration{Settings: map[string]string{"PROXY_READ_TIMEOUT": "4s"}})
	must(t, err)
	want := map[string]string{"PROXY_READ_TIMEOUT": "9s"}
	for _, check := range []bool{true, false} {
		changed, err := a.Configure(t.Context(), bluegreen.Configuration{Settings: want, Check: check})
		if err != nil || len(changed) != 1 || changed[0] != "PROXY_READ_TIMEOUT" {
			t.Errorf("Configure, check %t = %v, %v; want the one that changed", check, changed, err)
		}
	}
	if got := status(t, b).Settings["PROXY_READ_TIMEOUT"]; got != "9s" {
		t.Errorf("in force is %q", got)
	}
	changed, err := a.Configure(t.Context(), bluegreen.Configuration{Settings: want})
	if err != nil || len(changed) != 0 {
		t.Errorf("the second time: %v, %v; want nothing changed", changed, err)
	}
}

func contractHistory(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	op := bluegreen.Operation{
		ID: "deploy-7", Kind: bluegreen.ActDeploy, From: bluegreen.Blue, To: bluegreen.Green, Phase: bluegreen.OpInstall,
		New: &bluegreen.Release{ID: "v2", Image: "shop:2", ImageID: "sha256:2"},
	}
	must(t, a.Lock(t.Context(), bluegreen.Holder{User: "ana"}))
	must(t, a.Begin(t.Context(), op))
	if got := status(t, b).Current; got == nil || got.Phase != bluegreen.OpInstall {
		t.Errorf("current = %+v, want the operation of the lock's holder at its phase", got)
	}
	op.Phase, op.Finished, op.Ending, op.Result = "", time.Unix(9, 0).UTC(), bluegreen.EndDone, "done"
	must(t, a.Finish(t.Context(), op))
	op.Bake = &bluegreen.Bake{Operation: op.ID, Verdict: bluegreen.Verdict{Requests: 12}}
	must(t, a.Finish(t.Context(), op))
	must(t, a.Unlock(t.Context()))
	ops, err := b.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range ops {
		if ops[i].ID == op.ID {
			n++
		}
	}
	last := ops[len(ops)-1]
	if n != 1 || last.ID != op.ID || last.Bake == nil || last.Bake.Verdict.Requests != 12 {
		t.Errorf("history has the entry %d times, the newest is %+v", n, last)
	}
	moves := status(t, b).Moves
	if len(moves) == 0 || moves[len(moves)-1].ID != op.ID || moves[len(moves)-1].New.ImageID != "sha256:2" {
		t.Errorf("moves = %+v, want the deploy last", moves)
	}
}

func contractProbe(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a := open(t)
	results, err := a.Probe(t.Context(), bluegreen.Probes{Pool: bluegreen.Green, Count: 3})
	if err != nil || len(results) != 3 {
		t.Fatalf("Probe = %d results, %v; want 3", len(results), err)
	}
	must(t, a.Chaos(t.Context(), bluegreen.Green, bluegreen.FaultError))
	if got := status(t, a).Answers; len(got) != 2 || got[bluegreen.Green].Status != 200 {
		t.Errorf("the status carries the answers %+v, want one of each pool", got)
	}
	if got, err := a.Verify(t.Context()); err != nil || got.Active != bluegreen.Blue || got.Answer == nil || got.Answer.Status != 200 {
		t.Errorf("Verify = %+v, %v; want an answer of blue", got, err)
	}
}

func status(t *testing.T, r bluegreen.Router) bluegreen.RouterStatus {
	t.Helper()
	st, err := r.Status(t.Context())
	if err != nil {
		t.Fatalf("Status: %v", err)
	}
	return st
}

// lock takes the lock, which every change needs but the record of one's own bake. An
// earlier connection may still be about to let go of it.
func lock(t *testing.T, r bluegreen.Router) {
	t.Helper()
	eventually(t, "the lock is free", func() bool { return r.Lock(t.Context(), bluegreen.Holder{User: "ana"}) == nil })
	t.Cleanup(func() { _ = r.Unlock(context.WithoutCancel(t.Context())) }) // it may have been closed
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
