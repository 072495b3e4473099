package sanitize_test

import (
	"reflect"
	"testing"
	"time"

	"bgctl/internal/sanitize"
)

type name string

type inner struct {
	Text  string
	Names []name
	own   string
}

type outer struct {
	inner
	Text    name
	One     *inner
	Many    []inner
	Two     [2]string
	By      map[name]*inner
	Raw     []byte
	At      time.Time
	Any     any
	Nothing *inner
	None    []string
	Empty   map[string]string
	N       int
}

func TestCopy(t *testing.T) {
	at := time.Now()
	build := func(s string) outer {
		in := func() inner { return inner{Text: s, Names: []name{name(s)}, own: "a\nb"} }
		one, two := in(), in()
		return outer{
			inner: inner{own: "a\nb"}, Text: name(s), One: &one, Many: []inner{in(), in()}, Two: [2]string{s, s},
			By: map[name]*inner{name(s): &two}, Raw: []byte("a\nb"), At: at, Any: "a\nb", N: 3,
		}
	}
	v := build("a\x1b[31m\nb")
	if got, want := sanitize.Copy(v), build("a b"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(v, build("a\x1b[31m\nb")) {
		t.Errorf("the original was changed: %+v", v)
	}
	if got := sanitize.Copy(&v); got == &v || got.Text != "a b" {
		t.Errorf("behind a pointer: %q", got.Text)
	}
}
