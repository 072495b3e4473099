package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// hidden stands for a value that is not printed.
const hidden = "(hidden)"

// RedactedYAML returns the resolved project as YAML without the values of its
// secrets, to be shown. What is hidden is found by the names of fields, variables and
// options, by its shape (URLs with a password, keys, tokens), and, once found,
// wherever else the same text occurs.
func (p *Project) RedactedYAML() ([]byte, error) {
	text, err := p.MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("decode the project: %w", err)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(p.redact(tree)); err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	return out.Bytes(), nil
}

// RedactedJSON is [Project.RedactedYAML] as JSON.
func (p *Project) RedactedJSON() ([]byte, error) {
	text, err := p.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decode the project: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(p.redact(tree)); err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	return out.Bytes(), nil
}

// redact hides the secrets of a document. The first pass tells what the secrets are. They
// are then hidden as whole texts wherever they occur, the longest first, before the last
// pass hides the parts that are too short for that.
func (p *Project) redact(tree any) any {
	r := &redactor{found: map[string]bool{}}
	p.outside(r)
	r.value("", tree, plain)
	return r.value("", r.spread(tree), plain)
}

// outside finds the secrets that are no part of the document: the contents of
// secrets, and variables that were filled in somewhere.
func (p *Project) outside(r *redactor) {
	for _, secret := range p.Secrets {
		r.learn(secret.Content)
		r.learn(p.Environment[secret.Environment])
	}
	for name, value := range p.Environment {
		// The process environment has much that only looks like a secret, and a short or
		// a well-known value of it would blank out half the document.
		if len(value) >= minForeign && secretName(name) && !isPath(value) {
			r.learn(value)
		}
		maskText(value, r.learn)
	}
}

const (
	minSpread  = 4 // a shorter text occurs by chance
	minForeign = 6
)

// redactor hides the secrets of one document.
type redactor struct{ found map[string]bool }

// learn notes a secret, to be hidden wherever it occurs.
func (r *redactor) learn(secret string) {
	if secret = strings.TrimSpace(secret); len(secret) >= minSpread && secret != hidden && !harmless(secret) {
		r.found[secret] = true
	}
}

// inherited says what the names around a value make of it.
type inherited uint8

const (
	plain   inherited = iota
	foreign           // inside an x-… block, whose structure is not compose's
	secret            // everything below is a secret
)

// value hides what can be recognised in v, the value of a field.
func (r *redactor) value(name string, v any, in inherited) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[maskText(key, r.learn)] = r.value(key, item, below(name, key, in))
		}
		return out
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			text := fmt.Sprint(key)
			out[maskText(text, r.learn)] = r.value(text, item, below(name, text, in))
		}
		return out
	case []any:
		return r.list(name, v, in)
	case string:
		if in == secret || namesSecret(name, v) {
			return r.hide(v)
		}
		return maskText(v, r.learn)
	case nil, bool:
		return v
	}
	if in == secret || namesSecret(name, fmt.Sprint(v)) {
		return r.hide(fmt.Sprint(v))
	}
	return v
}

// below says how the value of key is seen. Compose's own maps of secrets and
// credentials hold names and files; in an x-… block such a map holds values.
func below(parent, key string, in inherited) inherited {
	switch {
	case in == secret:
		return secret
	case strings.HasPrefix(key, "x-") && parent != "labels" && parent != "environment":
		in = foreign
	}
	if in == foreign && secretName(key) {
		return secret
	}
	return in
}

// list hides what can be recognised in a list, which may be a command line.
func (r *redactor) list(name string, items []any, in inherited) []any {
	words := make([]string, len(items))
	for i, item := range items {
		words[i], _ = item.(string)
	}
	taken := secretArguments(words)
	out := make([]any, len(items))
	for i, item := range items {
		text, isText := item.(string)
		switch {
		case isText && taken[i] != "":
			r.learn(taken[i])
			out[i] = strings.Replace(text, taken[i], hidden, 1)
		default:
			out[i] = r.value(name, item, in)
		}
	}
	return out
}

func (r *redactor) hide(text string) string {
	if text == "" || harmless(text) {
		return text
	}
	r.learn(text)
	maskText(text, r.learn)
	return hidden
}

// spread hides every occurrence of what was found.
func (r *redactor) spread(tree any) any {
	longest := make([]string, 0, len(r.found))
	for text := range r.found {
		longest = append(longest, text)
	}
	slices.SortFunc(longest, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(longest))
	for _, text := range longest {
		pairs = append(pairs, text, hidden)
	}
	return spreadWith(strings.NewReplacer(pairs...), "", tree)
}

func spreadWith(replace *strings.Replacer, name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = spreadWith(replace, key, item)
		}
		return out
	case []any:
		for i := range v {
			v[i] = spreadWith(replace, name, v[i])
		}
		return v
	case string:
		// An image is public by name: POSTGRES_PASSWORD=postgres does not make it a secret.
		if name == "image" {
			return v
		}
		return replace.Replace(v)
	}
	return v
}
