package outpost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"bgctl/internal/watch"
)

// Client talks to one [Outpost]. Its methods may be called from several goroutines.
type Client struct {
	conn    io.ReadWriteCloser
	ask     sync.Mutex // one request at a time
	answers chan line  // closed when the outpost has gone

	mu       sync.Mutex
	messages []Message
	told     func(Message)
}

// ErrGone says that the outpost ended before it was told to.
var ErrGone = errors.New("the drill's helper in the watcher's container ended")

// Dial waits for the outpost's greeting. told is called with each message as it
// arrives and must be quick. Dial closes conn when it fails.
func Dial(ctx context.Context, conn io.ReadWriteCloser, told func(Message)) (*Client, error) {
	c := &Client{conn: conn, answers: make(chan line, 4), told: told}
	go c.read()
	hello, err := c.await(ctx, "ready")
	if err == nil && hello.Error != "" {
		err = errors.New(hello.Error)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// read sorts the outpost's lines until they end.
func (c *Client) read() {
	defer close(c.answers)
	dec := json.NewDecoder(c.conn)
	for {
		var l line
		if dec.Decode(&l) != nil {
			return
		}
		if l.Message == nil {
			select {
			case c.answers <- l:
			default: // nobody asked
			}
			continue
		}
		c.mu.Lock()
		c.messages = append(c.messages, *l.Message)
		c.mu.Unlock()
		c.told(*l.Message)
	}
}

// await waits for an answer of a kind.
func (c *Client) await(ctx context.Context, kind string) (line, error) {
	for {
		select {
		case l, open := <-c.answers:
			if !open {
				return line{}, ErrGone
			}
			if l.Kind == kind {
				return l, nil
			}
		case <-ctx.Done():
			return line{}, ctx.Err()
		}
	}
}

// request sends one request and waits for its answer.
func (c *Client) request(ctx context.Context, text, kind string) (line, error) {
	c.ask.Lock()
	defer c.ask.Unlock()
	if _, err := fmt.Fprintln(c.conn, text); err != nil {
		return line{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	l, err := c.await(ctx, kind)
	if err == nil && l.Error != "" {
		err = errors.New(l.Error)
	}
	return l, err
}

// Health is what the watcher says of itself.
func (c *Client) Health(ctx context.Context) (watch.Health, error) {
	l, err := c.request(ctx, "health", "health")
	if err != nil {
		return watch.Health{}, err
	}
	if l.Health == nil {
		return watch.Health{}, errors.New("the drill's helper sent no health")
	}
	return *l.Health, nil
}

// Messages are those that arrived so far.
func (c *Client) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// End takes the receiver away and ends the outpost. Without an error the watcher has
// let go of the receiver and no process is left.
func (c *Client) End(ctx context.Context) error {
	_, err := c.request(ctx, "end", "bye")
	return errors.Join(err, c.conn.Close())
}
