package slack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	date := "Tue, 03 Mar 2026 10:00:00 GMT"
	h := func(kv ...string) http.Header {
		out := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			out.Set(kv[i], kv[i+1])
		}
		return out
	}
	portal, revoked := 5*time.Minute, 15*time.Minute
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		action Action
		wait   time.Duration
	}{
		{"ok", 200, nil, "ok", Delivered, 0},
		{"ok with newline", 200, nil, "ok\n", Delivered, 0},
		{"200 empty", 200, nil, "", Broken, portal},
		{"200 html", 200, nil, "<html>sign in</html>", Broken, portal},
		{"200 no_service", 200, nil, "no_service", Broken, portal},
		{"200 Ok", 200, nil, "OK", Broken, portal},
		{"201", 201, nil, "ok", Broken, portal},
		{"204", 204, nil, "", Broken, portal},
		{"301", 301, h("Location", "https://x"), "", Broken, portal},
		{"302", 302, nil, "", Broken, portal},
		{"303", 303, nil, "", Broken, portal},
		{"307", 307, nil, "", Broken, portal},
		{"308", 308, nil, "", Broken, portal},
		{"400 invalid_payload", 400, nil, "invalid_payload", Rejected, 0},
		{"400 invalid_blocks", 400, nil, "invalid_blocks", Rejected, 0},
		{"400 invalid_attachments", 400, nil, "invalid_attachments", Rejected, 0},
		{"400 no_text", 400, nil, "no_text", Rejected, 0},
		{"400 other", 400, nil, "<html>", Rejected, 0},
		{"401", 401, nil, "", Broken, portal},
		{"402", 402, nil, "", Broken, portal},
		{"403 invalid_token", 403, nil, "invalid_token", Broken, revoked},
		{"403 action_prohibited", 403, nil, "action_prohibited", Broken, revoked},
		{"404 no_service", 404, nil, "no_service", Broken, revoked},
		{"404 no_team", 404, nil, "no_team", Broken, revoked},
		{"405", 405, nil, "", Broken, portal},
		{"407", 407, nil, "", Broken, portal},
		{"408", 408, nil, "", Retry, 0},
		{"410 channel_is_archived", 410, nil, "channel_is_archived", Broken, revoked},
		{"413", 413, nil, "", Rejected, 0},
		{"425", 425, nil, "", Retry, 0},
		{"429 1", 429, h("Retry-After", "1"), "", Throttled, time.Second},
		{"429 30", 429, h("Retry-After", "30"), "", Throttled, 30 * time.Second},
		{"429 0", 429, h("Retry-After", "0"), "", Throttled, time.Second},
		{"429 negative", 429, h("Retry-After", "-5"), "", Throttled, time.Second},
		{"429 huge", 429, h("Retry-After", "1e12"), "", Throttled, time.Hour},
		{"429 huge digits", 429, h("Retry-After", "999999999999999999999"), "", Throttled, time.Hour},
		{"429 date", 429, h("Retry-After", "Tue, 03 Mar 2026 10:00:40 GMT", "Date", date), "", Throttled, 40 * time.Second},
		{"429 past date", 429, h("Retry-After", "Tue, 03 Mar 2026 09:00:40 GMT", "Date", date), "", Throttled, time.Second},
		{"429 absent", 429, nil, "message_limit_exceeded", Throttled, 0},
		{"429 garbage", 429, h("Retry-After", "soon"), "", Throttled, 0},
		{"429 NaN", 429, h("Retry-After", "NaN"), "", Throttled, 0},
		{"429 body", 429, nil, `{"retry_after":20}`, Throttled, 20 * time.Second},
		{"429 body over header", 429, h("Retry-After", "3"), `{"retry_after":20}`, Throttled, 20 * time.Second},
		{"429 header over body", 429, h("Retry-After", "33"), `{"retry_after":2}`, Throttled, 33 * time.Second},
		{"429 body negative", 429, nil, `{"retry_after":-9e300}`, Throttled, time.Second},
		{"500", 500, nil, "rollup_error", Retry, 0},
		{"502 html", 502, nil, "<html>bad gateway</html>", Retry, 0},
		{"503 retry-after", 503, h("Retry-After", "17"), "", Retry, 17 * time.Second},
		{"503 retry-after huge", 503, h("Retry-After", "1e9"), "", Retry, time.Hour},
		{"599", 599, nil, "", Retry, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Classify(tt.status, tt.header, []byte(tt.body), nil)
			if got.Action != tt.action || got.Wait != tt.wait {
				t.Errorf("got %v wait %v (%s), want %v wait %v", got.Action, got.Wait, got.Reason, tt.action, tt.wait)
			}
			if got.Reason == "" {
				t.Error("no reason given")
			}
		})
	}
}

// TestClassify_EveryStatus holds the outcome table against every status there is,
// for Slack and for a generic receiver.
func TestClassify_EveryStatus(t *testing.T) {
	portal, revoked := 5*time.Minute, 15*time.Minute
	table := []struct {
		from, to   int
		slack, any Action
		wait       time.Duration
		maybe      bool
	}{
		{100, 199, Broken, Broken, portal, false},
		{200, 299, Broken, Delivered, portal, false}, // 200 with another body than ok
		{300, 399, Broken, Broken, portal, false},
		{400, 400, Rejected, Refused, 0, false},
		{401, 402, Broken, Broken, portal, false},
		{403, 404, Broken, Broken, revoked, false},
		{405, 407, Broken, Broken, portal, false},
		{408, 408, Retry, Retry, 0, false},
		{409, 409, Broken, Broken, portal, false},
		{410, 410, Broken, Broken, revoked, false},
		{411, 412, Broken, Broken, portal, false},
		{413, 413, Rejected, Refused, 0, false},
		{414, 414, Broken, Broken, portal, false},
		{415, 415, Rejected, Refused, 0, false},
		{416, 421, Broken, Broken, portal, false},
		{422, 422, Rejected, Refused, 0, false},
		{423, 424, Broken, Broken, portal, false},
		{425, 425, Retry, Retry, 0, false},
		{426, 428, Broken, Broken, portal, false},
		{429, 429, Throttled, Throttled, 0, false},
		{430, 499, Broken, Broken, portal, false},
		{500, 503, Retry, Retry, 0, false},
		{504, 504, Retry, Retry, 0, true},
		{505, 599, Retry, Retry, 0, false},
	}
	next := 100
	for _, row := range table {
		if row.from != next {
			t.Fatalf("the table goes on with %d after %d", row.from, next-1)
		}
		next = row.to + 1
		for status := row.from; status <= row.to; status++ {
			got := Classify(status, nil, []byte("<html>whatever</html>"), nil)
			if got.Action != row.slack || got.Wait != row.wait || got.MaybeSent != row.maybe || got.Reason == "" {
				t.Errorf("%d from Slack: %+v, want %v after %v", status, got, row.slack, row.wait)
			}
			wait := row.wait
			if row.any == Delivered {
				wait = 0
			}
			got = ClassifyAny(status, nil, []byte("<html>whatever</html>"), nil)
			if got.Action != row.any || got.Wait != wait || got.MaybeSent != row.maybe || got.Reason == "" {
				t.Errorf("%d from any: %+v, want %v after %v", status, got, row.any, wait)
			}
		}
	}
	if next != 600 {
		t.Errorf("the table ends at %d", next-1)
	}
}

func TestClassify_Errors(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"refused": {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, "dial: connection refused"},
		"dns":     {&net.DNSError{Err: "no such host", Name: "hooks.example"}, "cannot resolve the host: no such host"},
		"timeout": {context.DeadlineExceeded, "timed out"},
		"cancel":  {context.Canceled, "stopped while sending"},
		"reset":   {io.ErrUnexpectedEOF, "unexpected EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wrapped := &url.Error{Op: "Post", URL: "https://h/services/T0/B0/s3cr3t", Err: tt.err}
			got := Classify(0, nil, nil, wrapped)
			if got.Action != Retry || got.Reason != tt.want {
				t.Errorf("got %v %q, want retry %q", got.Action, got.Reason, tt.want)
			}
		})
	}
}

func TestClassifyAny(t *testing.T) {
	for status, want := range map[int]Action{
		200: Delivered, 201: Delivered, 202: Delivered, 204: Delivered, 302: Broken,
		400: Refused, 401: Broken, 404: Broken, 408: Retry, 429: Throttled, 500: Retry,
	} {
		if got := ClassifyAny(status, nil, []byte("thanks"), nil); got.Action != want {
			t.Errorf("status %d: got %v, want %v", status, got.Action, want)
		}
	}
	if got := ClassifyAny(0, nil, nil, io.EOF); got.Action != Retry {
		t.Errorf("error: got %v, want retry", got.Action)
	}
}
