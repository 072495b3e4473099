package compose

import (
	"maps"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// secretRE finds variables whose values are nobody's business.
var secretRE = regexp.MustCompile(`(?i)(secret|passw|token|webhook|credential|private|api_?key|auth)`)

// hidden stands for a value that is not printed.
const hidden = "(hidden)"

// Redacted returns a copy of the project without the values of its secrets, to be
// shown: those of variables whose names speak of secrets, and inline secrets.
func (p *Project) Redacted() (*Project, error) {
	for _, name := range p.ServiceNames() {
		service := p.Services[name]
		env := types.MappingWithEquals{}
		for key, value := range service.Environment {
			if value != nil && *value != "" && secretRE.MatchString(key) && !strings.HasSuffix(key, "_FILE") {
				text := hidden
				value = &text
			}
			env[key] = value
		}
		service.Environment = env
		var err error
		if p, err = p.WithService(service); err != nil {
			return nil, err
		}
	}
	inner := *p.Project
	inner.Secrets = maps.Clone(p.Secrets)
	for name, secret := range inner.Secrets {
		if secret.Content != "" {
			secret.Content = hidden
			inner.Secrets[name] = secret
		}
	}
	out := *p
	out.Project = &inner
	return &out, nil
}
