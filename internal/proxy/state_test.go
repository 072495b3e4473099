package proxy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
)

func TestDir_InitSeedsAndKeeps(t *testing.T) {
	const b, g = bluegreen.Blue, bluegreen.Green
	// Each start is ACTIVE_POOL; switches happen between the starts.
	tests := []struct {
		name   string
		starts []bluegreen.Pool
		moves  []bluegreen.Pool // NoPool: none after this start
		want   bluegreen.Pool
	}{
		{"the first start seeds", []bluegreen.Pool{g}, nil, g},
		{"a restart keeps the switch", []bluegreen.Pool{b, b}, []bluegreen.Pool{g}, g},
		{"another variable moves no traffic", []bluegreen.Pool{b, g}, nil, b},
		{"an old one takes no switch back", []bluegreen.Pool{g, b}, []bluegreen.Pool{g}, g},
		{".env kept in step changes nothing", []bluegreen.Pool{b, g}, []bluegreen.Pool{g}, g},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := &proxy.Dir{Path: t.TempDir()}
			var got bluegreen.Pool
			for i, seed := range tt.starts {
				var err error
				if got, err = dir.Init(seed); err != nil {
					t.Fatal(err)
				}
				if i < len(tt.moves) && tt.moves[i] != bluegreen.NoPool {
					if err := dir.Route(tt.moves[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got != tt.want {
				t.Errorf("active = %s, want %s", got, tt.want)
			}
			st, err := dir.Status()
			if last := tt.starts[len(tt.starts)-1]; err != nil || st.Seed != last {
				t.Errorf("seed = %s, %v; want that of the last start, %s", st.Seed, err, last)
			}
		})
	}
}

// A switch moves the one flag file: it is never copied, made anew or away. The
// file itself is watched, because readdir(3) may list a file that is renamed
// meanwhile under both of its names, or under none.
func TestDir_RouteMovesTheOneFlag(t *testing.T) {
	dir := &proxy.Dir{Path: t.TempDir()}
	if _, err := dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	flag, err := os.Stat(filepath.Join(dir.Path, "active", "blue"))
	if err != nil {
		t.Fatal(err)
	}
	pool := bluegreen.Blue
	for range 100 {
		pool = pool.Other()
		if err := dir.Route(pool); err != nil {
			t.Fatal(err)
		}
		now, err := os.Stat(filepath.Join(dir.Path, "active", pool.String()))
		if err != nil || !os.SameFile(flag, now) {
			t.Fatalf("%s's flag is not the file that was there before: %v", pool, err)
		}
		if names, err := os.ReadDir(filepath.Join(dir.Path, "active")); err != nil || len(names) != 1 {
			t.Fatalf("flags: %v, %v", names, err)
		}
	}
}

// Whoever asks during a switch hears one of the two pools, never "none".
func TestDir_ActiveDuringSwitches(t *testing.T) {
	dir := &proxy.Dir{Path: t.TempDir()}
	if _, err := dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if pool, err := dir.Active(); err != nil || pool == bluegreen.NoPool {
				t.Errorf("active = %v, %v", pool, err)
				return
			}
		}
	})
	pool := bluegreen.Blue
	for range 2000 {
		pool = pool.Other()
		if err := dir.Route(pool); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestDir_JournalIsBounded(t *testing.T) {
	dir := &proxy.Dir{Path: t.TempDir()}
	if _, err := dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	for i := range 250 {
		if err := dir.Finish(bluegreen.Operation{ID: "x-" + strconv.Itoa(i), To: bluegreen.Green}); err != nil {
			t.Fatal(err)
		}
	}
	ops, err := dir.Journal()
	if err != nil || len(ops) != 200 || ops[199].ID != "x-249" {
		t.Errorf("journal holds %d, %v", len(ops), err)
	}
}

func TestDir_TornJournalLineIsLeftOut(t *testing.T) {
	dir := &proxy.Dir{Path: t.TempDir()}
	if _, err := dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	text := `{"id":"a","kind":"switch","by":{},"started":"2026-01-01T00:00:00Z"}` + "\n" + `{"id":"b","ki`
	if err := os.WriteFile(filepath.Join(dir.Path, "journal.ndjson"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ops, err := dir.Journal()
	if err != nil || len(ops) != 1 || ops[0].ID != "a" {
		t.Errorf("journal = %+v, %v", ops, err)
	}
	// What is written behind it is not torn with it.
	for _, id := range []string{"c", "d"} {
		if err := dir.Finish(bluegreen.Operation{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if ops, err = dir.Journal(); err != nil || len(ops) != 3 || ops[0].ID != "a" || ops[2].ID != "d" {
		t.Errorf("after two more entries: %+v, %v", ops, err)
	}
}

// Eight processes finish operations at the same time: no entry is lost.
func TestDir_EveryProcessKeepsItsEntries(t *testing.T) {
	path := t.TempDir()
	if _, err := (&proxy.Dir{Path: path}).Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	const processes, each = 8, 24 // together fewer than the journal holds
	var working sync.WaitGroup
	for p := range processes {
		working.Go(func() {
			dir := &proxy.Dir{Path: path}
			for i := range each {
				if err := dir.Finish(bluegreen.Operation{ID: fmt.Sprintf("p%d-%d", p, i)}); err != nil {
					t.Error(err)
				}
				if err := dir.SetStanding(bluegreen.Standing{Pool: bluegreen.Pools()[p%2], Operation: strconv.Itoa(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	dir := &proxy.Dir{Path: path}
	ops, err := dir.Journal()
	seen := map[string]bool{}
	for i := range ops {
		seen[ops[i].ID] = true
	}
	if err != nil || len(ops) != processes*each || len(seen) != len(ops) {
		t.Errorf("the journal has %d entries, %d different, %v; want %d", len(ops), len(seen), err, processes*each)
	}
	if got := dir.Standing(); len(got) != 2 {
		t.Errorf("standing = %+v, want both pools", got)
	}
}

// A bake that another operator ended does not come back with the next record of its own.
func TestDir_AnEndedBakeStaysEnded(t *testing.T) {
	path := t.TempDir()
	baker, other := &proxy.Dir{Path: path}, &proxy.Dir{Path: path}
	if _, err := baker.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for range 300 {
		b := bluegreen.Bake{Operation: "deploy-1", Pool: bluegreen.Green}
		if err := baker.BeginBake(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := baker.UpdateBake(b); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := other.EndBake("deploy-1"); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if other.Bake() != nil {
			lost++
		}
		if err := baker.EndBake("deploy-1"); err != nil {
			t.Fatal(err)
		}
	}
	if lost > 0 {
		t.Errorf("the record was back in %d of 300 races", lost)
	}
}

// What a killed writer left goes, what is being written stays.
func TestDir_SweepsLeftovers(t *testing.T) {
	dir := &proxy.Dir{Path: t.TempDir()}
	now := time.Now()
	for name, age := range map[string]time.Duration{".new-1": 2 * time.Minute, ".new-2": time.Second, "journal.ndjson": time.Hour} {
		path := filepath.Join(dir.Path, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	dir.Sweep(now)
	entries, err := os.ReadDir(dir.Path)
	if err != nil || len(entries) != 2 || entries[0].Name() != ".new-2" {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// A status that is asked for every second sees each new entry.
func TestDir_StatusFollowsTheJournal(t *testing.T) {
	path := t.TempDir()
	reader, writer := &proxy.Dir{Path: path}, &proxy.Dir{Path: path}
	if _, err := writer.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		id := strconv.Itoa(i)
		if err := writer.Finish(bluegreen.Operation{ID: id}); err != nil {
			t.Fatal(err)
		}
		st, err := reader.Status()
		if err != nil || st.Last == nil || st.Last.ID != id {
			t.Fatalf("last = %+v, %v; want %s", st.Last, err, id)
		}
	}
}

// Every screen looks once a second whether somebody holds the lock. That must not keep
// a command from it, nor name a holder who is long gone.
func TestDir_LooksDoNotRefuseTheLock(t *testing.T) {
	path := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for dir := (&proxy.Dir{Path: path}); ctx.Err() == nil; time.Sleep(10 * time.Microsecond) {
				dir.Holder()
			}
		})
	}
	defer looking.Wait()
	defer stop()
	for i := range 2000 {
		dir := &proxy.Dir{Path: path}
		other, ok, err := dir.Lock(t.Context(), bluegreen.Holder{User: "ana", PID: 1})
		if err != nil || !ok {
			t.Fatalf("lock %d: held by %+v, %v", i, other, err)
		}
		if err := dir.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDir_LockNamesItsHolder(t *testing.T) {
	path := t.TempDir()
	holder, other := &proxy.Dir{Path: path}, &proxy.Dir{Path: path}
	if _, ok, err := holder.Lock(t.Context(), bluegreen.Holder{User: "ana", PID: 7}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	by, ok, err := other.Lock(t.Context(), bluegreen.Holder{User: "ben", PID: 8})
	if err != nil || ok || by == nil || by.User != "ana" {
		t.Errorf("got %+v, %v, %v", by, ok, err)
	}
	if by := other.Holder(); by == nil || by.PID != 7 {
		t.Errorf("a look sees %+v", by)
	}
}
