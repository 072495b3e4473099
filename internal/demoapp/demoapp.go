// Package demoapp is the application that the demo deploys: a small HTTP server
// that says which pool and release answered, and that can be told to misbehave.
//
// It keeps the contract that bgctl asks of an application: GET /healthz, and
// X-App-Pool and X-Release-Id on every answer. Chaos spoils the normal routes
// only: /healthz, /version and /chaos answer whatever the mode, except that
// /healthz answers 503 in mode "down". It knows nothing of bgctl.
package demoapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// idleTimeout is longer than the 60 s for which nginx keeps an idle connection
	// to an upstream: so the proxy closes first, and never writes to a closed one.
	idleTimeout = 75 * time.Second
	// drainTimeout bounds how long in-flight requests may take at the end.
	drainTimeout = 10 * time.Second
	// headerTimeout bounds how long a client may take to send its header.
	headerTimeout = 10 * time.Second
)

// Config says where the application listens and what it calls itself.
type Config struct {
	Addr    string    // host:port to listen on; port 0 picks one
	Pool    string    // sent as X-App-Pool
	Release string    // sent as X-Release-Id
	Log     io.Writer // one JSON line per event; nil means no log
}

// Run serves until ctx ends. Then it stops accepting, releases requests that hang
// in chaos, and gives the requests in flight ten seconds to finish.
func Run(ctx context.Context, cfg Config) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return serve(ctx, cfg, ln)
}

// serve is [Run] on a listener that is open.
func serve(ctx context.Context, cfg Config, ln net.Listener) error {
	log := logger(cfg)
	handler := newApp(cfg, log)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "addr", ln.Addr().String())

	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	handler.chaos.stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("requests still in flight after %s", drainTimeout), server.Close())
	}
	log.Info("stopped")
	return err
}

// logger returns the application's log.
func logger(cfg Config) *slog.Logger {
	if cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewJSONHandler(cfg.Log, nil)).With("pool", cfg.Pool, "release", cfg.Release)
}
