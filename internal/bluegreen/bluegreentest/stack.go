package bluegreentest

import (
	"context"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
)

// Stack is a [bluegreen.Stack] in memory.
type Stack struct {
	mu    sync.Mutex
	Calls []string
	// Gap is how long a replacement of the proxy takes.
	Gap time.Duration
	// Fail makes every call fail.
	Fail error
}

var _ bluegreen.Stack = (*Stack)(nil)

func (s *Stack) call(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Calls = append(s.Calls, name)
	return s.Fail
}

// Fetch implements [bluegreen.Stack].
func (s *Stack) Fetch(context.Context, func(string)) error { return s.call("fetch") }

// Converge implements [bluegreen.Stack].
func (s *Stack) Converge(context.Context, func(string)) error { return s.call("converge") }

// ReplaceProxy implements [bluegreen.Stack].
func (s *Stack) ReplaceProxy(context.Context, func(string)) (time.Duration, error) {
	return s.Gap, s.call("replace")
}

// Remove implements [bluegreen.Stack].
func (s *Stack) Remove(context.Context, func(string)) error { return s.call("remove") }
