package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
)

// lastLines is how many lines of a container's log explain why it is not ready.
const (
	lastLines = "12"
	lastBytes = 8 << 10
)

// Installer puts releases into the pools of a compose project, by the same code
// that `up` converges with. It implements [bluegreen.Installer].
type Installer struct {
	Client *compose.Client
	// Load reads the project with further variables, which win over all others.
	Load func(ctx context.Context, vars map[string]string) (*compose.Project, error)
	// Images makes images that no registry has; may be nil.
	Images compose.ImageProvider
	// Auth returns the encoded credentials for an image's registry; may be nil.
	Auth func(ref string) (string, error)
	// SaveEnv writes variables to the project's env file and returns what the
	// operator should know about it.
	SaveEnv func(vars []Variable) (note string, err error)
}

var _ bluegreen.Installer = (*Installer)(nil)

// Variable is one line of an env file.
type Variable struct{ Name, Value string }

// imageVar and releaseVar name the variables of the stack that a pool's release
// comes from.
func imageVar(pool bluegreen.Pool) string { return strings.ToUpper(pool.String()) + "_IMAGE" }

func releaseVar(pool bluegreen.Pool) string { return "RELEASE_ID_" + strings.ToUpper(pool.String()) }

// ReleaseEnv is the variable that an application reads its release from.
const ReleaseEnv = "RELEASE_ID"

// Resolve implements [bluegreen.Installer].
func (i *Installer) Resolve(ctx context.Context, rel bluegreen.Release, pull bluegreen.PullPolicy) (bluegreen.Release, error) {
	if rel.ImageID != "" {
		return i.known(ctx, rel)
	}
	if i.Images != nil && i.Images.Provides(rel.Image) {
		if _, err := i.Images.Ensure(ctx, rel.Image, func(string) {}); err != nil {
			return rel, fmt.Errorf("%w: %s: %w", bluegreen.ErrImage, rel.Image, err)
		}
		return i.describe(ctx, rel)
	}
	found, err := i.describe(ctx, rel)
	switch {
	case err == nil && pull != bluegreen.PullAlways:
		return found, nil
	case err != nil && !errors.Is(err, compose.ErrNotFound):
		return rel, err
	case pull == bluegreen.PullNever:
		return rel, fmt.Errorf("%w: %s is not on the engine, and no registry may be asked for it", bluegreen.ErrImage, rel.Image)
	}
	if err := i.pull(ctx, rel.Image); err != nil {
		return rel, err
	}
	return i.describe(ctx, rel)
}

// known finds the very image of a release that ran before.
func (i *Installer) known(ctx context.Context, rel bluegreen.Release) (bluegreen.Release, error) {
	_, err := i.Client.Image(ctx, rel.ImageID)
	switch {
	case err == nil:
		return rel, nil
	case !errors.Is(err, compose.ErrNotFound):
		return rel, err
	case rel.Digest == "":
		return rel, fmt.Errorf("%w: %s (%.19s) is no longer on the engine, and no registry is known to have it", bluegreen.ErrImage, rel.Image, rel.ImageID)
	}
	return rel, i.pull(ctx, rel.Digest)
}

// pull gets an image from its registry. An engine that is away is not the image's fault.
func (i *Installer) pull(ctx context.Context, ref string) error {
	auth := ""
	if i.Auth != nil {
		var err error
		if auth, err = i.Auth(ref); err != nil {
			return fmt.Errorf("%w: credentials for %s: %w", bluegreen.ErrImage, ref, err)
		}
	}
	err := i.Client.PullImageAs(ctx, ref, auth)
	if err == nil || ctx.Err() != nil || errors.Is(err, compose.ErrUnreachable) {
		return err
	}
	return fmt.Errorf("%w: %w", bluegreen.ErrImage, err)
}

// describe fills in what the engine knows of the release's image.
func (i *Installer) describe(ctx context.Context, rel bluegreen.Release) (bluegreen.Release, error) {
	info, err := i.Client.Image(ctx, rel.Image)
	if err != nil {
		return rel, err
	}
	rel.ImageID = info.ID
	if len(info.Digests) > 0 {
		rel.Digest = info.Digests[0]
	}
	return rel, nil
}

// Install implements [bluegreen.Installer].
func (i *Installer) Install(ctx context.Context, pool bluegreen.Pool, rel bluegreen.Release, on func(string)) error {
	project, names, err := i.project(ctx, pool, rel)
	if err != nil {
		return err
	}
	ref := i.reference(ctx, rel)
	for _, name := range names {
		opts := overrides(project.Services[name].Environment, ref, &rel)
		if err := i.Client.ReplaceService(ctx, project, name, opts, Teller(on)); err != nil {
			return err
		}
	}
	return nil
}

// overrides are what a service gets that the file alone would not give it.
func overrides(env map[string]*string, ref string, rel *bluegreen.Release) compose.ServiceOptions {
	opts := compose.ServiceOptions{Image: ref}
	if have, ok := env[ReleaseEnv]; ok && rel.ID != "" && (have == nil || *have != rel.ID) {
		opts.Env = map[string]*string{ReleaseEnv: &rel.ID}
	}
	return opts
}

// PutBack implements [bluegreen.Installer].
func (i *Installer) PutBack(ctx context.Context, pool bluegreen.Pool, before bluegreen.Release, on func(string)) error {
	project, names, err := i.project(ctx, pool, before)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		put, err := i.Client.PutBack(ctx, project, name)
		if err == nil && !put {
			err = i.again(ctx, project, name, before, on)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// again makes a service run a release that nothing was set aside of, unless it does.
func (i *Installer) again(ctx context.Context, project *compose.Project, name string, rel bluegreen.Release, on func(string)) error {
	containers, err := i.Client.Containers(ctx, project.Name)
	if err != nil {
		return err
	}
	of := compose.FindService(containers, name)
	same := len(of) > 0
	for k := range of {
		same = same && of[k].ImageID == rel.ImageID
	}
	if same {
		return nil
	}
	opts := overrides(project.Services[name].Environment, i.reference(ctx, rel), &rel)
	if err := i.Client.ReplaceService(ctx, project, name, opts, Teller(on)); err != nil {
		return err
	}
	return i.Client.DropAside(ctx, project, name)
}

// Settle implements [bluegreen.Installer].
func (i *Installer) Settle(ctx context.Context, pool bluegreen.Pool) error {
	project, names, err := i.project(ctx, pool, bluegreen.Release{})
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, i.Client.DropAside(ctx, project, name))
	}
	return errors.Join(errs...)
}

// Config implements [bluegreen.Installer].
func (i *Installer) Config(ctx context.Context, pool bluegreen.Pool) (string, error) {
	project, names, err := i.project(ctx, pool, bluegreen.Release{})
	if err != nil {
		return "", err
	}
	service := project.Services[names[0]]
	env := maps.Clone(service.Environment)
	delete(env, ReleaseEnv)
	service.Image, service.Environment = "", env
	return compose.ServiceHash(service)
}

// project loads the project as it is with the release in the pool, and lists the
// services of that pool.
func (i *Installer) project(ctx context.Context, pool bluegreen.Pool, rel bluegreen.Release) (*compose.Project, []string, error) {
	vars := map[string]string{}
	if rel.Image != "" || rel.ImageID != "" {
		vars[imageVar(pool)] = i.reference(ctx, rel)
	}
	if rel.ID != "" {
		vars[releaseVar(pool)] = rel.ID
	}
	project, err := i.Load(ctx, vars)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range project.ServiceNames() {
		if ServiceRole(name, project.Services[name].Labels[RoleLabel]) == pool.Role() {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("the compose file has no service for the pool %s: give one the label %s: %s", pool, RoleLabel, pool)
	}
	return project, names, nil
}

// Project is the project with releases in its pools.
func (i *Installer) Project(ctx context.Context, rels map[bluegreen.Pool]bluegreen.Release) (*compose.Project, error) {
	vars := map[string]string{}
	for pool, rel := range rels {
		vars[imageVar(pool)], vars[releaseVar(pool)] = i.reference(ctx, rel), rel.ID
	}
	project, err := i.Load(ctx, vars)
	if err != nil {
		return nil, err
	}
	for pool, rel := range rels {
		for _, name := range project.ServiceNames() {
			service := project.Services[name]
			if ServiceRole(name, service.Labels[RoleLabel]) != pool.Role() {
				continue
			}
			opts := overrides(service.Environment, i.reference(ctx, rel), &rel)
			if project, err = project.WithOverrides(name, opts); err != nil {
				return nil, err
			}
		}
	}
	return project, nil
}

// reference is what a container is created with: the name people know when it
// still means the same image, else the image's ID.
func (i *Installer) reference(ctx context.Context, rel bluegreen.Release) string {
	if rel.ImageID == "" || rel.Image == "" {
		return rel.Image + rel.ImageID
	}
	if id, err := i.Client.ImageID(ctx, rel.Image); err == nil && id == rel.ImageID {
		return rel.Image
	}
	return rel.ImageID
}

// Keep implements [bluegreen.Installer].
func (i *Installer) Keep(ctx context.Context, pool bluegreen.Pool, rel bluegreen.Release) (string, error) {
	project, names, err := i.project(ctx, pool, rel)
	if err != nil {
		return "", err
	}
	var vars []Variable
	service, ref := project.Services[names[0]], i.reference(ctx, rel)
	if service.Image == ref {
		vars = append(vars, Variable{imageVar(pool), ref})
	}
	if have := service.Environment[ReleaseEnv]; have != nil && *have == rel.ID && rel.ID != "" {
		vars = append(vars, Variable{releaseVar(pool), rel.ID})
	}
	note := ""
	if len(vars) > 0 {
		if note, err = i.SaveEnv(vars); err != nil {
			return note, err
		}
	}
	if service.Image != ref {
		note = fmt.Sprintf("the compose file gives %s its image without %s: write %s there, or the next bgctl up puts the old one back", names[0], imageVar(pool), ref)
	}
	return note, nil
}

// LastWords implements [bluegreen.Installer].
func (i *Installer) LastWords(ctx context.Context, container string) string {
	log, err := i.Client.Logs(ctx, container, compose.LogsOptions{Tail: lastLines})
	if err != nil {
		return ""
	}
	defer func() { _ = log.Close() }() // only read
	var text bytes.Buffer
	for text.Len() < lastBytes {
		line, err := log.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintf(&text, "(%v)\n", err)
			}
			break
		}
		text.Write(line.Text[:min(len(line.Text), lastBytes)])
		text.WriteByte('\n')
	}
	return text.String()
}

// Teller reports the steps of the engine's work in words.
type Teller func(string)

// Update implements [compose.Progress].
func (t Teller) Update(e compose.StepEvent) {
	if t != nil && e.State == compose.StepWorking {
		t(fmt.Sprintf("%s %s %s", e.Action, e.Kind, e.Name))
	}
}
