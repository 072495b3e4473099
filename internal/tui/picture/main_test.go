package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestDraw_IsDeterministicAndWellFormed(t *testing.T) {
	a, err := draw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := draw(t.Context())
	if a != b {
		t.Error("two pictures of the same screen differ")
	}
	dec := xml.NewDecoder(strings.NewReader(a))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
	for _, want := range []string{"ALERT", "BLUE", "GREEN", "Error rate"} {
		if !strings.Contains(a, want) {
			t.Errorf("the picture does not show %q", want)
		}
	}
}

func TestDraw_TheCommittedPictureIsOfToday(t *testing.T) {
	committed, err := os.ReadFile("../../../docs/dashboard.svg")
	if err != nil {
		t.Fatal(err)
	}
	now, err := draw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, []byte(now)) {
		t.Error("docs/dashboard.svg shows an older screen; run: make picture")
	}
}
