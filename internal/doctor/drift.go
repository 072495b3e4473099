package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// checkEnvironment compares the variables of the files with those that containers run with.
func checkEnvironment(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	force := p.inForce(ctx)
	return each(list, func(c *compose.Container) []finding {
		s, ok := project.Services[c.Service]
		switch {
		case !ok:
			return nil
		case roleOf(c) == bluegreen.RoleProxy && force != nil:
			return judgeEnvironment(c, withSettings(wanted(&s), &s), overlay(c.Env, force))
		}
		return judgeEnvironment(c, wanted(&s), c.Env)
	}), nil
}

// wanted are the variables that the files set and that a container has to be made with. A
// variable that the files do not set may be the image's own.
func wanted(s *types.ServiceConfig) map[string]string {
	live := compose.LiveEnv(*s)
	out := map[string]string{}
	for name, value := range s.Environment {
		if value != nil && !slices.Contains(live, name) {
			out[name] = *value
		}
	}
	return out
}

// withSettings puts the proxy's settings in as the proxy reads them, or leaves them as
// they are written when the proxy cannot read them.
func withSettings(want map[string]string, s *types.ServiceConfig) map[string]string {
	set, _, err := proxy.LoadSettings(environment(s), embeddedResolver)
	if err != nil {
		return want
	}
	return overlay(want, set.Values)
}

// overlay is base with the values of over.
func overlay(base, over map[string]string) map[string]string {
	out := maps.Clone(base)
	maps.Copy(out, over)
	return out
}

// judgeEnvironment names the variables that differ, never their values.
func judgeEnvironment(c *compose.Container, want, have map[string]string) []finding {
	var stale []string
	for name, value := range want {
		if got, ok := have[name]; !ok || got != value {
			stale = append(stale, name)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	slices.Sort(stale)
	return []finding{{
		Warning, c.Name, "runs with other values than the files have now for: " + strings.Join(stale, ", "),
		"see what would change: bgctl up --dry-run; change it: bgctl up",
	}}
}

// checkActivePool compares the pool that the files name with the one that has the traffic.
func checkActivePool(ctx context.Context, p *patient) ([]finding, error) {
	d, _, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	return judgeActivePool(project.Environment["ACTIVE_POOL"], d.Active()), nil
}

// judgeActivePool: an up takes an edited ACTIVE_POOL for an order to switch.
func judgeActivePool(named string, active bluegreen.Pool) []finding {
	pool, err := bluegreen.ParsePool(named)
	if named == "" || err != nil || active == bluegreen.NoPool || pool == active {
		return nil
	}
	return []finding{{
		Warning, "ACTIVE_POOL", fmt.Sprintf("the files say %s, and %s has the traffic: the next bgctl up may move it", pool, active),
		fmt.Sprintf("Write ACTIVE_POOL=%s into .env; or move the traffic: bgctl switch %s", active, pool),
	}}
}

// checkImages compares the images that run with those that their names mean now.
func checkImages(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, err
	}
	return each(list, func(c *compose.Container) []finding {
		s, ok := project.Services[c.Service]
		if !ok {
			return []finding{{OK, c.Name, "belongs to no service of the files", "remove it, if it is not wanted: bgctl up --remove-orphans"}}
		}
		ref := project.ImageRef(s)
		if pool, err := bluegreen.ParsePool(string(roleOf(c))); err == nil && d.Standing(pool) != nil {
			return judgeStandingImage(c, d.Standing(pool), ref, seen.Images[ref].ID)
		}
		return judgeImage(c, ref, seen.Images[ref].ID)
	}), nil
}

// judgeStandingImage: what the deployment itself put into a pool stays there, whatever
// the name of the image means by now. Files that name another image are out of step.
// Another image in the pool than the deployment put there is told by releases.
func judgeStandingImage(c *compose.Container, s *bluegreen.Standing, ref, id string) []finding {
	seen := fmt.Sprintf("runs the image %s of %s, which %s@%s put there", shortID(c.ImageID), &s.Release, s.By.User, s.By.Host)
	const remedy = "see what would change: bgctl up --dry-run"
	switch {
	case s.Release.ImageID != c.ImageID || id == c.ImageID:
		return nil
	case s.Release.Image == ref && id != "":
		return []finding{{OK, c.Name, seen + "; the name means another image by now, which does not come in by itself", ""}}
	case s.Release.Image == ref:
		return nil
	case id == "":
		return []finding{{Warning, c.Name, seen + "; the files say " + ref + ", which is not on this engine", remedy}}
	}
	return []finding{{Warning, c.Name, seen + "; the files say " + ref, remedy}}
}

// judgeImage: a tag that moved is the release that the next up brings in.
func judgeImage(c *compose.Container, ref, id string) []finding {
	const remedy = "see what would change: bgctl up --dry-run"
	switch {
	case id == "" && c.Image != ref:
		return []finding{{Warning, c.Name, "runs " + c.Image + "; the files say " + ref + ", which is not on this engine", remedy}}
	case id == "":
		return []finding{{Warning, c.Name, "the image " + ref + " is no longer on this engine: a recreated container would need a pull", "docker pull " + ref}}
	case id != c.ImageID:
		return []finding{{Warning, c.Name, fmt.Sprintf("runs the image %s; %s means %s now", shortID(c.ImageID), ref, shortID(id)), remedy}}
	}
	return nil
}

// shortID is an image ID for people.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// checkReleases compares what stands in the pools with each other and with the
// deployment's own record.
func checkReleases(ctx context.Context, p *patient) ([]finding, error) {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, err
	}
	return judgeReleases(d), nil
}

func judgeReleases(d *bluegreen.Deployment) []finding {
	var out []finding
	for _, pool := range bluegreen.Pools() {
		if seen := Differs(d, pool); seen != "" {
			out = append(out, finding{Warning, pool.String(), seen, "it was changed past bgctl; see what was done: bgctl history; bring a release in: bgctl deploy IMAGE"})
		}
	}
	blue, green := d.Blue.Holds(), d.Green.Holds()
	if len(out) == 0 && blue.Same(green) {
		out = append(out, finding{OK, "pools", "both hold " + blue.String() + ": a rollback would change nothing", ""})
	}
	return out
}

// Differs says what runs in a pool instead of what the deployment put there by its own
// record, "" when nothing does. It holds foreign text.
func Differs(d *bluegreen.Deployment, pool bluegreen.Pool) string {
	stands, record := d.Pool(pool).Holds(), d.Standing(pool)
	if stands == nil || record == nil || agree(&record.Release, stands) {
		return ""
	}
	return fmt.Sprintf("%s@%s put %s (image %s) there at %s, and it runs %s (image %s)", record.By.User, record.By.Host,
		&record.Release, shortID(record.Release.ImageID), record.Since.UTC().Format(time.RFC3339), stands, shortID(stands.ImageID))
}

// agree reports whether two releases are the same as far as both are known.
func agree(a, b *bluegreen.Release) bool {
	equal := func(a, b string) bool { return a == "" || b == "" || a == b }
	return equal(a.ImageID, b.ImageID) && equal(a.ID, b.ID)
}
