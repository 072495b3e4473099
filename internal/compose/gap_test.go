package compose

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A service that is away for a while, and comes back with errors first.
func TestGapWatch(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		before   Answer // what it answers before it goes away
		answered bool
		back     time.Duration // when it answers again
		well     time.Duration // when it answers well again
		want     time.Duration
	}{
		"away": {before: AnswerGood, back: 300 * time.Millisecond, well: 300 * time.Millisecond, want: 300 * time.Millisecond, answered: true},
		"errors count for users": {
			before: AnswerGood, back: 200 * time.Millisecond, well: 400 * time.Millisecond, want: 400 * time.Millisecond, answered: true,
		},
		"errors are how it was":  {before: AnswerBad, back: 200 * time.Millisecond, well: time.Hour, want: 200 * time.Millisecond, answered: true},
		"errors for good":        {before: AnswerGood, back: 0, well: time.Hour, want: answerLimit / 2, answered: true},
		"does not come back":     {before: AnswerGood, back: time.Hour, well: time.Hour, want: answerLimit},
		"does not go away a bit": {before: AnswerGood, want: askEvery, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Pointer[time.Time]
				w := watchGap(t.Context(), func(context.Context) Answer {
					began := away.Load()
					switch {
					case began == nil:
						return v.before
					case time.Since(*began) < v.back:
						return AnswerNone
					case time.Since(*began) < v.well:
						return AnswerBad
					}
					return AnswerGood
				})
				time.Sleep(100*time.Millisecond + askEvery/2)
				now := time.Now()
				away.Store(&now)
				if got := w.answered(t.Context(), now); got != v.answered {
					t.Errorf("answered: got %v, want %v", got, v.answered)
				}
				if got := w.gap(); (got - v.want).Abs() > 3*askEvery {
					t.Errorf("gap: got %s, want %s", got, v.want)
				}
			})
		})
	}
}

// A question that hangs holds neither the others nor the end up.
func TestGapWatchHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		begin := time.Now()
		w := watchGap(t.Context(), func(ctx context.Context) Answer {
			if n.Add(1)%3 == 0 {
				<-ctx.Done()
				return AnswerNone
			}
			return AnswerGood
		})
		if !w.answered(t.Context(), time.Now()) {
			t.Error("got no answer")
		}
		if got := w.gap(); got > askLimit {
			t.Errorf("gap: got %s", got)
		}
		if took := time.Since(begin); took > 2*askLimit {
			t.Errorf("took %s", took)
		}
	})
}

func TestGapWatchOfAnAddressThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	if w := watchGap(t.Context(), func(context.Context) Answer { return AnswerNone }); w != nil {
		t.Error("got a watch of an address that is not reachable from here")
	}
}
