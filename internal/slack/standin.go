package slack

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Received is one request a [StandIn] saw.
type Received struct {
	Time   time.Time       `json:"time"`
	Status int             `json:"status"` // what it answered
	Text   string          `json:"text"`   // the message's text
	Body   json.RawMessage `json:"body"`
}

// Fault is how a [StandIn] misbehaves. The zero status means 200.
type Fault struct {
	Status int
	Body   string
	Header http.Header
	Delay  time.Duration // before the answer
	Hangup bool          // take the message, then close the connection instead of answering
	Times  int           // requests it lasts for; 0: until changed
}

// standInKeeps bounds what a stand-in remembers.
const standInKeeps = 1000

// StandIn plays Slack's incoming webhook for tests, demos and drills. POST to any
// path is a message; GET /messages lists what arrived, POST /fault?status=503&times=3
// makes it misbehave and POST /fault?status=200 heals it. Like Slack it refuses a
// message without text and one with blocks over the limits.
type StandIn struct {
	mu       sync.Mutex
	received []Received
	fault    *Fault
	changed  chan struct{}
}

// NewStandIn returns a stand-in that answers ok.
func NewStandIn() *StandIn { return &StandIn{changed: make(chan struct{})} }

// Fail makes the following requests fail as f says.
func (s *StandIn) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = &f
}

// Heal ends a fault.
func (s *StandIn) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = nil
}

// All returns every request, refused ones included.
func (s *StandIn) All() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Messages returns the messages it accepted.
func (s *StandIn) Messages() []Received {
	return slices.DeleteFunc(s.All(), func(r Received) bool { return r.Status != http.StatusOK })
}

// Wait blocks until n messages were accepted.
func (s *StandIn) Wait(ctx context.Context, n int) ([]Received, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if got := s.Messages(); len(got) >= n {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.Messages(), ctx.Err()
		}
	}
}

// ServeHTTP implements [http.Handler].
func (s *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/messages":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Messages())
	case r.Method == http.MethodPost && r.URL.Path == "/fault":
		s.setFault(w, r)
	case r.Method == http.MethodPost:
		s.message(w, r)
	default:
		http.Error(w, "no_service", http.StatusNotFound)
	}
}

func (s *StandIn) setFault(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.URL.Query().Get("status"))
	if err != nil || status < 200 || status > 599 {
		http.Error(w, "status must be 200 to 599", http.StatusBadRequest)
		return
	}
	if status == http.StatusOK {
		s.Heal()
		return
	}
	times, _ := strconv.Atoi(r.URL.Query().Get("times"))
	header := http.Header{}
	if v := r.URL.Query().Get("retry_after"); v != "" {
		header.Set("Retry-After", v)
	}
	s.Fail(Fault{Status: status, Body: r.URL.Query().Get("body"), Times: times, Header: header})
}

func (s *StandIn) message(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	fault := s.nextFault()
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
		}
	}
	status, answer := fault.Status, fault.Body
	if status == 0 {
		status, answer = verdict(body)
	}
	s.record(body, status)
	if fault.Hangup {
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	}
	maps.Copy(w.Header(), fault.Header)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (s *StandIn) nextFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		return Fault{}
	}
	f := *s.fault
	if f.Times > 0 {
		if s.fault.Times--; s.fault.Times == 0 {
			s.fault = nil
		}
	}
	return f
}

func (s *StandIn) record(body []byte, status int) {
	var msg struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(body, &msg) != nil {
		body, _ = json.Marshal(string(body))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.received) >= standInKeeps {
		s.received = slices.Delete(s.received, 0, 1)
	}
	s.received = append(s.received, Received{Time: time.Now(), Status: status, Text: msg.Text, Body: body})
	close(s.changed)
	s.changed = make(chan struct{})
}

// verdict judges a message as Slack does: by its JSON, its text and the limits of
// Block Kit that a careless sender runs into.
func verdict(body []byte) (status int, answer string) {
	type text struct {
		Text string `json:"text"`
	}
	var msg struct {
		Text        string `json:"text"`
		Attachments []struct {
			Blocks []struct {
				Type     string `json:"type"`
				Text     *text  `json:"text"`
				Fields   []text `json:"fields"`
				Elements []text `json:"elements"`
			} `json:"blocks"`
		} `json:"attachments"`
	}
	if json.Unmarshal(body, &msg) != nil {
		return http.StatusBadRequest, "invalid_payload"
	}
	if msg.Text == "" && len(msg.Attachments) == 0 {
		return http.StatusBadRequest, "no_text"
	}
	bad := func(t text, limit int) bool {
		n := utf8.RuneCountInString(t.Text)
		return n == 0 || n > limit
	}
	for _, a := range msg.Attachments {
		wrong := len(a.Blocks) > 50
		for _, b := range a.Blocks {
			limit := 3000
			if b.Type == "header" {
				limit = 150
			}
			wrong = wrong || (b.Text != nil && bad(*b.Text, limit)) || len(b.Fields) > 10 || len(b.Elements) > 10 ||
				slices.ContainsFunc(b.Fields, func(t text) bool { return bad(t, 2000) }) ||
				slices.ContainsFunc(b.Elements, func(t text) bool { return bad(t, 3000) })
		}
		if wrong {
			return http.StatusBadRequest, "invalid_attachments"
		}
	}
	return http.StatusOK, "ok"
}
