package backtest

import (
	"context"
	"errors"
	"io"
	"sync"

	"bgctl/internal/logstream"
)

// block is a piece of the log on its way through the pipeline.
type block struct {
	logstream.Block

	buf     []byte
	decoded chan struct{} // one token when Records are there
	left    sync.WaitGroup
}

// pipeline reads, decodes and hands the blocks on in the order they were read.
type pipeline struct {
	format  logstream.Format
	workers int
	free    chan *block
	work    chan *block // to the decoders
	order   chan *block // to the consumer, in order
	count   func(n int)
	skipped logstream.Counts // lines too long for a block; of the reader, until it ends
}

func newPipeline(format logstream.Format, workers int, count func(n int)) *pipeline {
	// Every decoder has one block in work and one waiting; the reader fills one and
	// the consumer holds one.
	size := 2*workers + 2
	p := &pipeline{
		format: format, workers: workers, count: count,
		free: make(chan *block, size), work: make(chan *block, size), order: make(chan *block, size),
	}
	for range size {
		p.free <- &block{buf: make([]byte, blockSize), decoded: make(chan struct{}, 1)}
	}
	return p
}

// run calls consume for every block in order. A block is used again once consume
// has returned and its left is zero.
func (p *pipeline) run(ctx context.Context, sources []*source, consume func(*block)) error {
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		defer close(p.work)
		defer close(p.order)
		failed = p.read(ctx, sources)
	})
	for range p.workers {
		wg.Go(func() {
			decoder := logstream.NewDecoder(p.format)
			for b := range p.work {
				decoder.Decode(&b.Block)
				b.decoded <- struct{}{}
			}
		})
	}
	for b := range p.order {
		<-b.decoded
		consume(b)
		b.left.Wait()
		p.free <- b
	}
	wg.Wait()
	return failed
}

// read fills blocks until the sources or ctx end.
func (p *pipeline) read(ctx context.Context, sources []*source) error {
	for _, s := range sources {
		if err := p.readOne(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) readOne(ctx context.Context, s *source) error {
	defer s.close()
	r, err := s.open(p.count)
	if err != nil {
		return readError(s.Name, err)
	}
	cut := cutter{r: r}
	defer func() { p.skipped.Add(cut.counts) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := <-p.free
		err := cut.fill(b)
		if err != nil {
			p.free <- b
			if errors.Is(err, io.EOF) {
				return nil
			}
			return readError(s.Name, err)
		}
		p.order <- b
		p.work <- b
	}
}
