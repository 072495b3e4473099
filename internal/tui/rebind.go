package tui

import (
	"fmt"
	"slices"
	"strings"
)

// KeyNames lists the names of all acts that a key can be bound to, with their
// default keys.
func KeyNames() map[string][]string {
	out := map[string][]string{}
	for _, b := range bindings() {
		out[b.name] = b.keys
	}
	return out
}

// CheckKeys reports what is wrong with other keys for named acts: a name there is
// not, no key at all, a key that two acts share.
func CheckKeys(keys map[string][]string) error {
	_, err := rebind(bindings(), keys)
	return err
}

// fixedKeys cannot be bound to anything else: without them nobody gets out.
func fixedKeys() []string { return []string{"esc", "ctrl+c", "ctrl+z", "ctrl+l"} }

// rebind gives named acts other keys.
func rebind(table []binding, keys map[string][]string) ([]binding, error) {
	out := slices.Clone(table)
	for _, name := range sortedKeys(keys) {
		i := slices.IndexFunc(out, func(b binding) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("keys: there is no act %q; the names: bgctl dashboard --list-keys", name)
		}
		if len(keys[name]) == 0 {
			return nil, fmt.Errorf("keys: %s has no key", name)
		}
		b := &out[i]
		for _, k := range keys[name] {
			if slices.Contains(fixedKeys(), k) && !slices.Contains(b.keys, k) {
				return nil, fmt.Errorf("keys: %s cannot be bound to %s: that key is fixed", name, k)
			}
		}
		fixed := slices.DeleteFunc(slices.Clone(b.keys), func(k string) bool { return !slices.Contains(fixedKeys(), k) })
		b.keys = slices.Compact(append(slices.Clone(keys[name]), fixed...))
		b.show = strings.Join(keys[name], " ")
	}
	owner := map[string]string{}
	for i := range out {
		for _, k := range out[i].keys {
			if other, ok := owner[k]; ok && other != out[i].name {
				return nil, fmt.Errorf("keys: %s is bound to %s and to %s", k, other, out[i].name)
			}
			owner[k] = out[i].name
		}
	}
	return out, nil
}

// sortedKeys are the keys of a map in order.
func sortedKeys(m map[string][]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
