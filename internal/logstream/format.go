package logstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format says how the lines of a log are written. The zero value recognises every
// format by the line itself, so that a log whose format changes midway is read on.
// A Format prints as what [ParseFormat] reads.
type Format struct {
	kind formatKind
	keys string // field=key,… of a JSON log, as given
}

type formatKind uint8

const (
	kindAuto formatKind = iota
	kindBgctl
	kindJSON
	kindCombined
	kindCommon
)

// ErrFormat is returned by [ParseFormat] for a text that names no format.
var ErrFormat = errors.New("unknown log format")

// ParseFormat reads "auto", "bgctl" (the proxy's own log_format and the reference
// kit's), "json" (any JSON log_format, its keys known by their usual names),
// "json:status=code,pool=headers.x_pool" (with the keys of some fields given),
// "combined" or "common".
func ParseFormat(s string) (Format, error) {
	name, keys, given := strings.Cut(s, ":")
	i := slices.Index(formatNames(), name)
	switch {
	case s == "":
		return Format{}, nil
	case i < 0:
		return Format{}, fmt.Errorf("%w %q: use %s or json:field=key,…", ErrFormat, s, strings.Join(formatNames(), ", "))
	case given && name != "json":
		return Format{}, fmt.Errorf("%w %q: only json takes field=key", ErrFormat, s)
	}
	f := Format{kind: formatKind(i), keys: keys} //nolint:gosec // one of five
	if _, err := f.overrides(); err != nil {
		return Format{}, err
	}
	return f, nil
}

func formatNames() []string { return []string{"auto", "bgctl", "json", "combined", "common"} }

// String implements fmt.Stringer.
func (f Format) String() string {
	name := formatNames()[f.kind]
	if f.keys != "" {
		name += ":" + f.keys
	}
	return name
}

// overrides reads the field=key pairs.
func (f Format) overrides() (map[string]rule, error) {
	out := map[string]rule{}
	if f.keys == "" {
		return out, nil
	}
	for pair := range strings.SplitSeq(f.keys, ",") {
		name, key, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%w: %q is not field=key", ErrFormat, pair)
		}
		to, ok := fieldNamed(name)
		if !ok {
			return nil, fmt.Errorf("%w: no field %q; fields are %s", ErrFormat, name, strings.Join(fieldNames(), ", "))
		}
		out[key] = rule{field: to}
	}
	return out, nil
}

// rules are the keys a format understands.
func (f Format) rules() map[string]rule {
	out := map[string]rule{}
	for _, set := range keySets() {
		for i, key := range set.keys {
			if f.kind == kindBgctl && i > 0 {
				break // its own name only
			}
			if i > 0 || key != "" {
				out[key] = rule{field: set.field, rank: uint8(i + 1), foreign: i > 0}
			}
		}
	}
	given, err := f.overrides()
	if err != nil {
		return out // ParseFormat refused it: it cannot be
	}
	for key, r := range given {
		r.foreign = true
		out[key] = r
	}
	return out
}

// Keys returns what the keys of a JSON log stand for: the name of the field, and a
// rank by which the least wins when one line has several keys of a field.
func (f Format) Keys() map[string]Key {
	out, sets := map[string]Key{}, keySets()
	for key, r := range f.rules() {
		for _, set := range sets {
			if set.field == r.field {
				out[key] = Key{Field: set.name, Rank: int(r.rank), Foreign: r.foreign}
			}
		}
	}
	return out
}

// Key is what a key of a JSON log stands for.
type Key struct {
	Field   string
	Rank    int
	Foreign bool // not a key of the proxy's own log_format
}

// rule is what a key stands for.
type rule struct {
	field   field
	rank    uint8 // the least wins when one line has several keys of a field
	foreign bool  // not a key of the proxy's own log_format
}
