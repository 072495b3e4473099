package watch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// NotFiringError says that what was named does not fire. It is a refusal.
type NotFiringError struct{ text string }

// Error implements error.
func (e *NotFiringError) Error() string { return e.text }

// Is makes it a [bluegreen.ErrRefused].
func (e *NotFiringError) Is(target error) bool { return target == bluegreen.ErrRefused }

// IsNotFiring reports whether an error says so.
func IsNotFiring(err error) bool {
	_, ok := errors.AsType[*NotFiringError](err)
	return ok
}

// Attended reports whether the state has an acknowledgement of the alerts of a type;
// nil: none. An alert that has ended needs none.
func (st *State) Attended(t alert.Type, want *alert.Ack) bool {
	for i := range st.Alerts {
		if ev := &st.Alerts[i]; ev.Type == t {
			return want == nil && ev.Ack == nil || want != nil && ev.Ack != nil && ev.Ack.At.Equal(want.At)
		}
	}
	return true
}

// Firing returns the alerts that fire and are meant by name: a type, the ID of an
// event, or "" for all of them. Past finds the entries of the history, for an ID
// that a reminder has replaced since.
func (st *State) Firing(name string, past func() ([]Entry, error)) ([]alert.Event, error) {
	switch {
	case name == "" && len(st.Alerts) == 0:
		return nil, &NotFiringError{"no alert fires: there is nothing to acknowledge"}
	case name == "":
		return st.Alerts, nil
	}
	word, number, isID := cutID(name)
	types, err := alert.ParseTypes(word)
	if err != nil || len(types) != 1 {
		return nil, fmt.Errorf("unknown alert %q: name one of %s, or an event such as error_rate-3", name, firingNames())
	}
	i := slices.IndexFunc(st.Alerts, func(ev alert.Event) bool { return ev.Type == types[0] })
	switch {
	case i < 0:
		return nil, &NotFiringError{name + " does not fire"}
	case !isID || st.Alerts[i].ID == name:
		return st.Alerts[i : i+1], nil
	}
	entries, err := past()
	if err != nil {
		return nil, err
	}
	for k := range entries {
		ev := entries[k].Event
		if ev != nil && ev.ID == word+"-"+number && ev.Status == alert.Firing && Began(ev).Equal(Began(&st.Alerts[i])) {
			return st.Alerts[i : i+1], nil
		}
	}
	return nil, &NotFiringError{fmt.Sprintf("%s does not fire any more; %s does", name, st.Alerts[i].ID)}
}

// cutID splits the ID of an event into type and number.
func cutID(name string) (typ, number string, isID bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// firingNames lists the types that can fire.
func firingNames() string {
	var names []string
	for _, t := range firingTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
