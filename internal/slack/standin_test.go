package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestStandIn_JudgesAsSlackDoes(t *testing.T) {
	long := strings.Repeat("é", 3001)
	tests := map[string]struct {
		body, answer string
	}{
		"message":      {`{"text":"hello"}`, "ok"},
		"not JSON":     {`payload=x`, "invalid_payload"},
		"empty":        {`{}`, "no_text"},
		"long section": {`{"attachments":[{"blocks":[{"type":"section","text":{"text":"` + long + `"}}]}]}`, "invalid_attachments"},
		"empty field":  {`{"attachments":[{"blocks":[{"type":"section","fields":[{"text":""}]}]}]}`, "invalid_attachments"},
		"long header":  {`{"attachments":[{"blocks":[{"type":"header","text":{"text":"` + long[:400] + `"}}]}]}`, "invalid_attachments"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, got := verdict([]byte(tt.body)); got != tt.answer {
				t.Errorf("got %s, want %s", got, tt.answer)
			}
		})
	}
}

func TestStandIn_MisbehavesOnRequest(t *testing.T) {
	s := NewStandIn()
	srv := quiet(t, s)
	client := NewClient(hookAt(t, srv.URL), Options{})
	send := func() Outcome { return client.Post(t.Context(), []byte(`{"text":"x"}`)) }
	control := func(query string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/fault?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	control("status=429&times=2&retry_after=7")
	for range 2 {
		if out := send(); out.Action != Throttled || out.Wait != 7*time.Second {
			t.Errorf("got %+v", out)
		}
	}
	if out := send(); out.Action != Delivered {
		t.Errorf("after two: %+v", out)
	}
	control("status=503")
	if out := send(); out.Action != Retry {
		t.Errorf("got %+v", out)
	}
	control("status=200")
	if out := send(); out.Action != Delivered {
		t.Errorf("healed: %+v", out)
	}
	if code := control("status=9"); code != http.StatusBadRequest {
		t.Errorf("a bad status is answered with %d", code)
	}
	s.Fail(Fault{Hangup: true, Times: 1})
	if out := send(); out.Action != Retry || !out.MaybeSent {
		t.Errorf("hangup: %+v", out)
	}
	if got, err := s.Wait(t.Context(), 3); err != nil || len(got) != 3 || len(s.All()) < 5 {
		t.Errorf("%d accepted of %d, %v", len(got), len(s.All()), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Wait(ctx, 99); err == nil {
		t.Error("waiting for what never comes did not end")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list []Received
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) != 3 || list[0].Text != "x" {
		t.Errorf("listed %+v, %v", list, err)
	}
}
