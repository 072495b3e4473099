package bluegreentest

import (
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
	t.Run("probes answer one by one", func(t *testing.T) { contractProbe(t, open) })
}

func contractRoute(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
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
	must(t, a.Begin(t.Context(), op))
	if got := status(t, b).Unfinished; got == nil || got.ID != op.ID {
		t.Fatalf("unfinished = %+v, want %s", got, op.ID)
	}
	op.Result = "done"
	must(t, a.Finish(t.Context(), op))
	st := status(t, b)
	if st.Unfinished != nil || st.Last == nil || st.Last.Result != "done" {
		t.Errorf("after Finish: unfinished %+v, last %+v", st.Unfinished, st.Last)
	}
}

func contractFaults(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a, b := open(t), open(t)
	f := bluegreen.Fault{Pool: bluegreen.Green, Mode: bluegreen.FaultPause, Containers: []string{"c1"}}
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

func contractProbe(t *testing.T, open func(t *testing.T) bluegreen.Router) {
	t.Helper()
	a := open(t)
	results, err := a.Probe(t.Context(), bluegreen.Green, 3)
	if err != nil || len(results) != 3 {
		t.Fatalf("Probe = %d results, %v; want 3", len(results), err)
	}
	must(t, a.Chaos(t.Context(), bluegreen.Green, bluegreen.FaultError))
	if pool, err := a.Verify(t.Context()); err != nil || pool != bluegreen.Blue {
		t.Errorf("Verify = %s, %v; want blue", pool, err)
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
