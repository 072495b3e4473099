package demoapp

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// maxEcho bounds how much of a request body is read and counted.
const maxEcho = 1 << 20

//go:embed page.html
var page string

// app answers requests.
type app struct {
	cfg   Config
	log   *slog.Logger
	chaos chaos
	page  *template.Template
	mux   *http.ServeMux
}

// answer is the JSON body of every route.
type answer struct {
	Pool    string `json:"pool"`
	Release string `json:"release"`
	Status  string `json:"status"`
	Chaos   string `json:"chaos,omitempty"`
	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"` // length of the request body
	Error   string `json:"error,omitempty"`
}

func newApp(cfg Config, log *slog.Logger) *app {
	a := &app{
		cfg:  cfg,
		log:  log,
		page: template.Must(template.New("page").Parse(page)),
		mux:  http.NewServeMux(),
	}
	a.mux.HandleFunc("GET /healthz", a.health)
	a.mux.HandleFunc("GET /version", a.version)
	a.mux.HandleFunc("POST /chaos/start", a.chaosStart)
	a.mux.HandleFunc("POST /chaos/stop", a.chaosStop)
	a.mux.HandleFunc("/", a.normal)
	return a
}

// ServeHTTP implements [http.Handler].
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-App-Pool", a.cfg.Pool)
	w.Header().Set("X-Release-Id", a.cfg.Release)
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	if a.chaos.current() == modeDown {
		a.write(w, http.StatusServiceUnavailable, answer{})
		return
	}
	a.write(w, http.StatusOK, answer{})
}

func (a *app) version(w http.ResponseWriter, _ *http.Request) {
	a.write(w, http.StatusOK, answer{})
}

func (a *app) chaosStart(w http.ResponseWriter, r *http.Request) {
	mode := r.URL.Query().Get("mode")
	if mode == "" {
		mode = modeError
	}
	if err := a.chaos.start(mode, r.URL.Query().Get("delay")); err != nil {
		a.write(w, http.StatusBadRequest, answer{Error: err.Error()})
		return
	}
	a.log.Warn("chaos started", "mode", mode)
	a.write(w, http.StatusOK, answer{})
}

func (a *app) chaosStop(w http.ResponseWriter, _ *http.Request) {
	a.chaos.stop()
	a.log.Info("chaos stopped")
	a.write(w, http.StatusOK, answer{})
}

// normal answers the routes that chaos spoils: the page to a browser, an echo of
// the request to everyone else.
func (a *app) normal(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxEcho))
	if err != nil {
		a.write(w, http.StatusRequestEntityTooLarge, answer{Error: "request body over 1 MB or cut short"})
		return
	}
	status := a.chaos.apply(r.Context())
	if status == http.StatusOK && r.URL.Path == "/" && wantsPage(r) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := a.page.Execute(w, a.cfg); err != nil {
			a.log.Warn("page cut short", "error", err.Error())
		}
		return
	}
	a.write(w, status, answer{Method: r.Method, Path: r.URL.Path, Bytes: n})
}

// wantsPage reports whether r comes from a browser that opens a page.
func wantsPage(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	return read && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// write answers with status; body says who answers, the caller's fields say the rest.
func (a *app) write(w http.ResponseWriter, status int, body answer) {
	body.Pool, body.Release, body.Chaos = a.cfg.Pool, a.cfg.Release, a.chaos.current()
	body.Status = "ok"
	if status >= http.StatusBadRequest {
		body.Status = http.StatusText(status)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.log.Warn("answer cut short", "error", err.Error())
	}
}
