// Command e2eapp is the application of the end-to-end tests: a shop that knows
// nothing of bgctl. Its image sets its manners in its environment, and it sends no
// header that a proxy could learn from unless it is told to.
//
//	PORT          port to listen on, 3000 by default
//	VERSION       release that its answers name
//	START_DELAY   time before it listens, such as 8s
//	SLOW          time that each answer takes
//	CRASH_AFTER   time after which it ends with exit code 1
//	FAIL=1        it ends with exit code 1 at once
//	HANG=1        it accepts GET /healthz and never answers
//	HEADERS=1     its answers carry X-App-Pool and X-Release-Id
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long requests may take after SIGTERM.
const grace = 5 * time.Second

// errAsked marks an end that the image's environment asked for.
var errAsked = errors.New("the environment asks for a failure")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx ends or the environment asks for a failure.
func run(ctx context.Context, env func(string) string) error {
	if env("FAIL") != "" {
		return errAsked
	}
	var delay, slow, crash time.Duration
	for name, to := range map[string]*time.Duration{"START_DELAY": &delay, "SLOW": &slow, "CRASH_AFTER": &crash} {
		v := env(name)
		if v == "" {
			continue
		}
		var err error
		if *to, err = time.ParseDuration(v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !wait(ctx, delay) {
		return nil
	}
	port := env("PORT")
	if port == "" {
		port = "3000"
	}
	srv := &http.Server{Addr: ":" + port, Handler: handler(env, slow), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- srv.ListenAndServe() }()
	var crashed <-chan time.Time
	if crash > 0 {
		crashed = time.After(crash)
	}
	select {
	case err := <-ended:
		return err
	case <-crashed:
		return errAsked
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return srv.Shutdown(last)
}

// handler answers every path, so that the proxy's rules decide alone.
func handler(env func(string) string, slow time.Duration) http.Handler {
	version, pool := env("VERSION"), env("APP_POOL")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if env("HANG") != "" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "the body was cut off", http.StatusBadRequest)
			return
		}
		if !wait(r.Context(), slow) {
			return
		}
		if env("HEADERS") != "" {
			w.Header().Set("X-App-Pool", pool)
			w.Header().Set("X-Release-Id", version)
		}
		fmt.Fprintf(w, "shop %s in %s\n", version, pool)
	})
	return mux
}

// wait waits and reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
