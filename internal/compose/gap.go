package compose

import (
	"context"
	"sync"
	"time"
)

// Answer is what one question from outside brought.
type Answer int

// The answers, worst first.
const (
	AnswerNone Answer = iota // no connection, or no answer on one
	AnswerBad                // an answer, but an error of the service
	AnswerGood
)

// Gap is how long a service did not answer while its container was replaced.
type Gap struct {
	For time.Duration
	// Asked is set when For was measured by asking the published address. Else For is the
	// time between the engine's calls that took the address away and gave it back.
	Asked bool
}

const (
	askEvery    = 5 * time.Millisecond
	askLimit    = time.Second            // of one question
	askAtOnce   = 16                     // questions that wait for their answers
	askLonger   = 250 * time.Millisecond // after the first answer: a second gap counts too
	answerLimit = 5 * time.Second        // for the new container to answer from outside
)

// gapWatch asks a service again and again, each time on a new connection, as users do,
// and notes the longest time between two answers.
type gapWatch struct {
	ask  func(context.Context) Answer
	stop func() // and wait until the last question has ended

	mu      sync.Mutex
	want    Answer    // an answer that is worse is none
	last    time.Time // when the newest answer had arrived
	began   time.Time // when the newest answered question was asked
	longest time.Duration
}

// watchGap begins to ask. It returns nil when there is no answer to begin with: then no
// gap could be told from an address that cannot be reached from here.
func watchGap(ctx context.Context, ask func(context.Context) Answer) *gapWatch {
	if ask == nil {
		return nil
	}
	w := &gapWatch{ask: ask}
	if w.want = w.once(ctx); w.want == AnswerNone {
		return nil
	}
	w.last = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() { w.run(ctx) })
	w.stop = func() {
		cancel()
		asking.Wait()
	}
	return w
}

func (w *gapWatch) once(ctx context.Context) Answer {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return w.ask(ctx)
}

// run asks until ctx ends.
func (w *gapWatch) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	slots := make(chan struct{}, askAtOnce)
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case slots <- struct{}{}:
			asking.Go(func() {
				began := time.Now()
				w.note(began, w.once(ctx))
				<-slots
			})
		default: // all wait for an answer
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// note counts one answer.
func (w *gapWatch) note(began time.Time, got Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if got < w.want {
		return
	}
	now := time.Now()
	w.longest = max(w.longest, now.Sub(w.last))
	w.last = now
	if began.After(w.began) {
		w.began = began
	}
}

// answered waits until a question that was asked after a moment is answered, and a little
// longer. An error of the service is taken for an answer in the end: the service is not
// judged here, only whether requests arrive.
func (w *gapWatch) answered(ctx context.Context, after time.Time) bool {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for begin := time.Now(); ; {
		w.mu.Lock()
		if time.Since(begin) > answerLimit/2 {
			w.want = AnswerBad
		}
		done := w.began.After(after)
		w.mu.Unlock()
		switch {
		case done:
			return pause(ctx, askLonger) == nil
		case time.Since(begin) > answerLimit:
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
}

// gap ends the questions and returns the longest time without an answer.
func (w *gapWatch) gap() time.Duration {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if silent := time.Since(w.last); silent > askLimit {
		return max(w.longest, silent) // nothing answers until now
	}
	return w.longest
}
