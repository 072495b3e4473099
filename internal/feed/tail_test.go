package feed

import (
	"errors"
	"io"
	"strconv"
	"testing"
)

func TestTail_KeepsTheNewestLinesAndTellsItsEnd(t *testing.T) {
	tl := &tail{cancel: func() {}}
	n := 0
	tl.read(func() (string, error) {
		if n++; n > tailBuffer+5 {
			return "", io.EOF
		}
		return strconv.Itoa(n), nil
	})
	s := tl.Take()
	if len(s.Lines) != tailBuffer || s.Lines[0] != "6" || s.Dropped != 5 || !errors.Is(s.Err, io.EOF) {
		t.Errorf("%d lines from %q, %d dropped, %v", len(s.Lines), s.Lines[0], s.Dropped, s.Err)
	}
	if s = tl.Take(); len(s.Lines) != 0 || s.Dropped != 0 || s.Err == nil {
		t.Errorf("taken twice: %+v", s)
	}
}
