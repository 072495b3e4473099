package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
)

// oldAgent answers as the first agents did: it has no level, knows no newer request, and
// would be confused by lines that are none.
func oldAgent(t *testing.T) (*proxy.Session, *[]map[string]any) {
	t.Helper()
	near, far := net.Pipe()
	heard := &[]map[string]any{}
	go func() {
		_, _ = fmt.Fprintln(far, `{"protocol":1,"version":"v1.2.3"}`)
		answers := map[string]string{
			"status": `{"status":{"active":"green","seed":"blue"}}`,
			"probe":  `{"probes":[{"status":200,"took":1000,"pool":"green"}]}`,
			"verify": `{"pool":"green"}`,
		}
		for lines := bufio.NewScanner(far); lines.Scan(); {
			var req map[string]any
			if err := json.Unmarshal(lines.Bytes(), &req); err != nil {
				t.Errorf("the agent heard %q", lines.Text())
				return
			}
			op, _ := req["op"].(string)
			*heard = append(*heard, req)
			answer, ok := answers[op]
			switch {
			case ok:
			case op == "configure" || op == "set-standing" || op == "alive" || op == "cancel":
				answer = fmt.Sprintf(`{"error":"unknown request \"%s\""}`, op)
			default:
				answer = `{}`
			}
			if _, err := fmt.Fprintln(far, answer); err != nil {
				return
			}
		}
	}()
	s, err := proxy.NewSession(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, heard
}

// A newer client works with an older agent, as far as that goes.
func TestSession_WorksWithAnOldAgent(t *testing.T) {
	tests := []struct {
		name string
		do   func(ctx context.Context, s *proxy.Session) error
		sent string // the request that reaches the agent, "" when none does
	}{
		{"status", func(ctx context.Context, s *proxy.Session) error {
			st, err := s.Status(ctx)
			if st.Active != bluegreen.Green || st.Answers != nil || st.Settings != nil || st.Agent != "" {
				return fmt.Errorf("status %+v, %w", st, err)
			}
			return err
		}, "status"},
		{"probe", func(ctx context.Context, s *proxy.Session) error {
			res, err := s.Probe(ctx, bluegreen.Probes{Pool: bluegreen.Green, Count: 1})
			if len(res) != 1 || res[0].Addr != "" || !res[0].Answers() {
				return fmt.Errorf("probes %+v, %w", res, err)
			}
			return err
		}, "probe"},
		{"verify says the pool alone", func(ctx context.Context, s *proxy.Session) error {
			r, err := s.Verify(ctx)
			if r.Active != bluegreen.Green || r.Answer != nil {
				return fmt.Errorf("routing %+v, %w", r, err)
			}
			return err
		}, "verify"},
		{"what stands is not recorded", func(ctx context.Context, s *proxy.Session) error {
			return s.SetStanding(ctx, bluegreen.Standing{Pool: bluegreen.Green})
		}, ""},
		{"settings cannot be put in force", func(ctx context.Context, s *proxy.Session) error {
			_, err := s.Configure(ctx, bluegreen.Configuration{})
			if outdated, ok := errors.AsType[*proxy.OutdatedError](err); !ok || outdated.Op != "configure" {
				return fmt.Errorf("want an OutdatedError, not %w", err)
			}
			return nil
		}, "configure"},
		{"a bake ends", func(ctx context.Context, s *proxy.Session) error { return s.EndBake(ctx, "deploy-1") }, "end-bake"},
		{"a switch", func(ctx context.Context, s *proxy.Session) error {
			return errors.Join(s.Lock(ctx, bluegreen.Holder{User: "ana"}), s.Begin(ctx, bluegreen.Operation{}),
				s.Route(ctx, bluegreen.Blue), s.Finish(ctx, bluegreen.Operation{}), s.Unlock(ctx))
		}, "lock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, heard := oldAgent(t)
			if err := tt.do(t.Context(), s); err != nil {
				t.Error(err)
			}
			if _, err := s.Status(t.Context()); err != nil {
				t.Errorf("the session is out of step: %v", err)
			}
			first, _ := (*heard)[0]["op"].(string)
			if tt.sent == "" {
				tt.sent = "status" // the one that this test sent
			}
			if first != tt.sent {
				t.Errorf("the agent heard %v, want %s first", *heard, tt.sent)
			}
		})
	}
}
