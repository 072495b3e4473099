package ops

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"bgctl/internal/compose"
)

// proxyPatience is how long requests under way may last once the old proxy was told to
// stop: most end within it, and users see it as a part of the gap. nginx takes nothing new
// from then on, and keeps the host's port until its container has ended, so that waiting
// for a slow request would make everybody wait. A request that takes longer is cut.
const proxyPatience = 80 * time.Millisecond

// ReplaceProxy implements [bluegreen.Stack].
func (s *stack) ReplaceProxy(ctx context.Context, on func(string)) (time.Duration, error) {
	ready, err := s.Client.PrepareReplace(ctx, s.project, s.proxy, compose.ServiceOptions{Images: s.Images, RegistryAuth: s.Auth})
	if err != nil {
		return 0, err
	}
	opts := compose.SwapOptions{Progress: teller{on, s.Progress}, Patience: proxyPatience}
	if s.url != "" {
		opts.Ask = asker(s.url + "/healthz")
	}
	gap, err := ready.Swap(ctx, opts)
	if err != nil {
		return gap.For, errors.Join(err, ready.Discard(context.WithoutCancel(ctx)))
	}
	if !gap.Asked && on != nil {
		on("the proxy's address cannot be asked from here: the gap is the time between the engine's calls")
	}
	return gap.For, nil
}

// asker returns a function that asks a page once, on a connection of its own.
func asker(url string) func(context.Context) compose.Answer {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) compose.Answer {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return compose.AnswerNone
		}
		resp, err := client.Do(req)
		if err != nil {
			return compose.AnswerNone
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		switch {
		case err != nil:
			return compose.AnswerNone
		case resp.StatusCode >= http.StatusInternalServerError:
			return compose.AnswerBad
		}
		return compose.AnswerGood
	}
}
