package bake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bake"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// request is a proxied request: attempts as "status pool".
func request(status int, attempts ...string) *logstream.Record {
	rec := &logstream.Record{Status: status, Path: "/cart", Active: bluegreen.Green}
	for _, text := range attempts {
		var a logstream.Attempt
		var pool string
		if _, err := fmt.Sscanf(text, "%d %s", &a.Status, &pool); err != nil {
			panic(err)
		}
		if err := a.Pool.UnmarshalText([]byte(pool)); err != nil {
			panic(err)
		}
		rec.Attempts = append(rec.Attempts, a)
		rec.Served = a.Pool
	}
	return rec
}

func TestJudge(t *testing.T) {
	ok, saved, lost := request(200, "200 green"), request(200, "502 green", "200 blue"), request(502, "502 green")
	elsewhere, gone := request(500, "500 blue"), request(499, "0 green")
	health := request(503, "503 green")
	health.Path = "/healthz"
	type run struct {
		rec *logstream.Record
		n   int
	}
	for _, tt := range []struct {
		name   string
		runs   []run
		want   bluegreen.Verdict
		breach string
	}{
		{"nothing", nil, bluegreen.Verdict{}, ""},
		{"all good", []run{{ok, 300}}, bluegreen.Verdict{Requests: 300, Enough: true}, ""},
		{"too few to judge", []run{{lost, 49}}, bluegreen.Verdict{Requests: 49, Failed: 49, Rate: 100}, ""},
		{"saved by the old release", []run{{ok, 195}, {saved, 5}}, bluegreen.Verdict{Requests: 200, Failed: 5, Saved: 5, Rate: 2.5, Enough: true}, "2.5 % of the last 200 requests failed on green, more than 2 %"},
		{"at the threshold, not over it", []run{{ok, 196}, {lost, 4}}, bluegreen.Verdict{Requests: 200, Failed: 4, Rate: 2, Enough: true}, ""},
		{"the window forgets", []run{{lost, 4}, {ok, 400}}, bluegreen.Verdict{Requests: 404, Failed: 4, Enough: true}, ""},
		{"a breach stays one", []run{{ok, 100}, {lost, 10}, {ok, 300}}, bluegreen.Verdict{Requests: 410, Failed: 10, Enough: true}, "of the last"},
		{"others, health checks and clients that left", []run{{elsewhere, 100}, {health, 100}, {gone, 60}}, bluegreen.Verdict{Requests: 60, Enough: true}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := bake.NewJudge(bluegreen.Green, alert.DefaultConfig())
			for _, r := range tt.runs {
				for range r.n {
					j.Add(r.rec)
				}
			}
			got := j.Verdict()
			if !strings.Contains(got.Breach, tt.breach) || (got.Breach != "") != (tt.breach != "") {
				t.Errorf("breach = %q, want %q", got.Breach, tt.breach)
			}
			got.Breach = ""
			if got != tt.want {
				t.Errorf("verdict = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestGauge_ReadsTheLogAndTellsItsTroubles(t *testing.T) {
	const line = `{"time_local":"-","msec":"1700000000.000","remote_addr":"10.0.0.1","request":"GET /cart HTTP/1.1","status":"200",` +
		`"upstream_status":"502, 200","upstream_addr":"10.0.0.3:3000, 10.0.0.2:3000","request_time":"0.010","upstream_response_time":"0.001, 0.009",` +
		`"pool":"blue","release":"v1","active":"green","request_id":"%d","bytes_sent":"10"}` + "\n"
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		opened := 0
		open := func(context.Context, int) (io.ReadCloser, error) {
			if opened++; opened == 1 {
				return nil, errors.New("the engine is away")
			}
			return r, nil
		}
		g := bake.Gauge{Alert: alert.DefaultConfig(), Follow: func(cfg logstream.RemoteConfig) bake.Source {
			return logstream.NewStreamSource(logstream.StreamConfig{Open: open, Addrs: cfg.Addrs, OnState: cfg.OnState})
		}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := bluegreen.Deployment{
			Blue:  bluegreen.PoolState{Containers: []bluegreen.Container{{Addrs: []string{"10.0.0.2"}}}},
			Green: bluegreen.PoolState{Containers: []bluegreen.Container{{Addrs: []string{"10.0.0.3"}}}},
		}
		verdict := g.Watch(ctx, &d, bluegreen.Green)
		synctest.Wait()
		if _, err := verdict(); err == nil {
			t.Error("nobody is told that the log cannot be read")
		}
		for i := range 60 {
			if _, err := fmt.Fprintf(w, line, i); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		v, err := verdict()
		if err != nil || v.Requests != 60 || v.Saved != 60 || v.Breach == "" {
			t.Errorf("verdict = %+v, %v; want 60 requests that blue saved", v, err)
		}
		_ = w.Close()
		cancel()
		_ = r.Close()
		synctest.Wait()
	})
}
