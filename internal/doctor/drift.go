package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
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
	return each(list, func(c *compose.Container) []finding {
		s, ok := project.Services[c.Service]
		if !ok {
			return nil
		}
		return judgeEnvironment(&s, c)
	}), nil
}

// judgeEnvironment names the variables that differ, never their values. A variable that
// the files do not set may be the image's own.
func judgeEnvironment(s *types.ServiceConfig, c *compose.Container) []finding {
	live := compose.LiveEnv(*s)
	var stale []string
	for name, value := range s.Environment {
		if value == nil || slices.Contains(live, name) {
			continue
		}
		if got, ok := c.Env[name]; !ok || got != *value {
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
	return each(list, func(c *compose.Container) []finding {
		s, ok := project.Services[c.Service]
		if !ok {
			return []finding{{OK, c.Name, "belongs to no service of the files", "remove it, if it is not wanted: bgctl up --remove-orphans"}}
		}
		ref := project.ImageRef(s)
		return judgeImage(c, ref, seen.Images[ref].ID)
	}), nil
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

// checkReleases compares what stands in the pools with each other and with the journal.
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
		stands := d.Pool(pool).Holds()
		recorded := recordedIn(d, pool)
		if stands == nil || recorded == nil || recorded.ImageID == "" || stands.ImageID == "" || recorded.ImageID == stands.ImageID {
			continue
		}
		out = append(out, finding{
			Warning, pool.String(), fmt.Sprintf("the journal has %s (image %s) in it, and it runs %s (image %s)", recorded, shortID(recorded.ImageID), stands, shortID(stands.ImageID)),
			"see who changed it: bgctl history; bring a release in: bgctl deploy IMAGE",
		})
	}
	blue, green := d.Blue.Holds(), d.Green.Holds()
	if len(out) == 0 && blue.Same(green) {
		out = append(out, finding{OK, "pools", "both hold " + blue.String() + ": a rollback would change nothing", ""})
	}
	return out
}

// recordedIn is the release that the newest finished operation left in a pool, nil when
// the journal does not say.
func recordedIn(d *bluegreen.Deployment, pool bluegreen.Pool) *bluegreen.Release {
	if d.Router == nil {
		return nil
	}
	for _, op := range slices.Backward(d.Router.Moves) {
		if op.To == pool && op.Installed() {
			return op.New
		}
	}
	return nil
}
