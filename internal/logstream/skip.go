package logstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

// skip moves a follower that resumed too far behind forward to the last lines. What an
// outage of hours left is no news: reading it would only keep the present waiting.
func (s *follower) skip(ctx context.Context) error {
	left := uint64(max(s.cfg.Start.behind, 0))
	if !s.resumed || left == 0 {
		return nil
	}
	s.resumed = false
	for _, t := range slices.Backward(s.tails) {
		n, end, err := t.behind(ctx, s.buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		keep := min(n, left)
		left -= keep
		if err == nil && keep < n {
			err = t.skipTo(end, int(keep)) //nolint:gosec // at most Start.behind
		}
		if err != nil {
			s.counts.ReadErrors++ // the lines are read, then
			continue
		}
		s.counts.Skipped += n - keep
	}
	return nil
}

// behind counts the whole lines that are still to be read, up to where the file ends now.
func (t *tail) behind(ctx context.Context, buf []byte) (n uint64, end int64, err error) {
	for end = t.read; ; {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		got, err := t.file.ReadAt(buf, end)
		n += uint64(bytes.Count(buf[:got], []byte{'\n'})) //nolint:gosec // not negative
		end += int64(got)
		if errors.Is(err, io.EOF) {
			return n, end, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// skipTo goes on with the last keep whole lines before end.
func (t *tail) skipTo(end int64, keep int) error {
	offset, err := lastLines(t.file, end, keep)
	if err != nil {
		return err
	}
	t.moveTo(offset)
	return nil
}
