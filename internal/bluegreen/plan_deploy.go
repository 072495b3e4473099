package bluegreen

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// PullPolicy says when an image is asked of its registry.
type PullPolicy string

// The pull policies.
const (
	PullMissing PullPolicy = "missing" // only when the engine does not have it
	PullAlways  PullPolicy = "always"  // a tag may have moved
	PullNever   PullPolicy = "never"
)

// ParsePullPolicy returns the policy that s names.
func ParsePullPolicy(s string) (PullPolicy, error) {
	switch p := PullPolicy(s); p {
	case PullMissing, PullAlways, PullNever:
		return p, nil
	}
	return "", fmt.Errorf("unknown pull policy %q: use missing, always or never", s)
}

// The defaults of a deploy.
const (
	DeployTimeout = 2 * time.Minute // until the new release is ready
	deployProbes  = 3
	// MaxBake is the longest time that a release may be watched for.
	MaxBake = 24 * time.Hour
)

// DeploySpec is what a plan puts into a pool, and how.
type DeploySpec struct {
	Release Release       `json:"release"`
	Pull    PullPolicy    `json:"pull"`
	Timeout time.Duration `json:"timeout"`          // until it is ready
	Staged  bool          `json:"staged,omitempty"` // traffic does not move
}

// BakeSpec says how a release that has just got traffic is watched.
type BakeSpec struct {
	For       time.Duration `json:"for"`       // 0: not at all
	Threshold float64       `json:"threshold"` // percent of the requests that may fail on it; what the watcher fires at
}

// DeployOptions steer [PlanDeploy].
type DeployOptions struct {
	To      Pool          // [NoPool]: the standby
	Pull    PullPolicy    // "": missing
	Timeout time.Duration // 0: [DeployTimeout]
	Bake    BakeSpec
	Staged  bool // put it into the standby and leave traffic where it is
	Force   bool // act although a gate fails
}

// PlanDeploy plans to put a release into the standby pool and then to move traffic
// to it. The active pool is never touched: a deploy to it is refused whatever the
// options say. It returns a [RefusedError] when a gate fails and force is off.
func PlanDeploy(d *Deployment, rel Release, opts DeployOptions) (Plan, error) {
	to := opts.To
	if to == NoPool {
		to = d.Active().Other()
	}
	spec := newSpec(rel, &opts)
	p := Plan{
		Action: ActDeploy, Project: d.Project, From: d.Active(), To: to, Deploy: &spec,
		Command: deployCommand(&spec, &opts),
	}
	if err := needRouter(d, ActDeploy); err != nil {
		return p, err
	}
	if to == d.Active() {
		return p, &RefusedError{
			Action: ActDeploy, Reasons: []string{fmt.Sprintf("%s takes all traffic", to)},
			Hint: fmt.Sprintf("deploy to %s, the standby, and traffic moves when the release is ready", to.Other()),
		}
	}
	if err := needNoBake(d, ActDeploy); err != nil {
		return p, err
	}
	p.Old, p.New = d.Pool(p.From).Holds(), &spec.Release
	p.Undo = deployUndo(&spec, d.Pool(to).Holds())
	p.Checks = deployChecks(d, to)
	if err := p.gate(guardOf(opts.Force)); err != nil {
		return p, err
	}
	p.deploySteps(d, guardOf(opts.Force))
	if !spec.Staged {
		p.bakeStep(opts.Bake)
	}
	return p, nil
}

// deploySteps lists what puts the plan's release into the plan's pool, and moves traffic
// there unless it is staged.
func (p *Plan) deploySteps(d *Deployment, g guard) {
	spec, from, to := p.Deploy, p.From, p.To
	before := d.Pool(to).Holds()
	if cutOff := p.recover(d, to); cutOff != nil {
		before = cutOff // what stands there now was never verified
	}
	gate := func(d *Deployment) error {
		if err := needNoBake(d, p.Action); err != nil {
			return err
		}
		again := Plan{Action: p.Action, Checks: deployChecks(d, to)}
		return again.gate(g)
	}
	p.add(
		recheckStep(d, fmt.Sprintf("refuse unless %s still takes traffic and is ready", from), gate, to),
		imageStep(to, spec, before),
	)
	say, ending := sayDeployed, EndDone
	switch {
	case spec.Staged:
		say, ending = sayStaged, EndStaged
	case p.Action == ActRollback:
		say = sayBack
	}
	p.roll(roll{pool: to, from: from, before: before, spec: *spec, old: p.Old}, ending, say)
}

// roll is one replacement of what stands in a pool that takes no traffic.
type roll struct {
	pool   Pool
	from   Pool // the active pool
	before *Release
	old    *Release // what takes traffic
	spec   DeploySpec
	stands bool // it stands there already: traffic moves, and nothing is replaced
}

// roll adds the steps of a replacement, with a journal entry of its own.
func (p *Plan) roll(ro roll, ending Ending, say func(*run) string) {
	rel := ro.spec.Release
	op := Operation{From: ro.from, To: ro.pool, Before: ro.before, Old: ro.old, New: &rel, Staged: ro.spec.Staged}
	p.add(
		journalStep(op, byStep),
		soloStep(ro.pool),
		drainStep(ro.pool),
		installStep(ro.pool, ro.before, &rel),
		freshStep(ro.pool, ro.spec.Timeout, ro.before),
		probeStep(ro.pool, deployProbes),
		keepStep(ro.pool),
		admitStep(ro.pool, ro.from),
	)
	if !ro.spec.Staged {
		p.moveSteps()
	}
	end := closeStep(ro.pool, say)
	end.act = closing{say, ending}
	p.add(end)
}

// newSpec fills in what was not asked for.
func newSpec(rel Release, opts *DeployOptions) DeploySpec {
	spec := DeploySpec{Release: rel, Pull: opts.Pull, Timeout: opts.Timeout, Staged: opts.Staged}
	if spec.Release.ID == "" {
		spec.Release.ID = ReleaseOf(rel.Image)
	}
	if spec.Timeout == 0 {
		spec.Timeout = DeployTimeout
	}
	if spec.Pull == "" {
		spec.Pull = PullMissing
	}
	return spec
}

// needNoBake refuses to replace what a release under watch would be rolled back to.
func needNoBake(d *Deployment, act Action) error {
	b := d.Router.Bake
	if b == nil || !b.Live {
		return nil
	}
	return &RefusedError{
		Action: act,
		Reasons: []string{fmt.Sprintf("%s is watched until %s, and %s is what it would be rolled back to",
			b.Pool, b.Until.Local().Format("15:04:05"), b.From)},
		Hint: "nothing was changed; end it with bgctl promote or bgctl rollback",
	}
}

// deployChecks are the conditions for replacing what stands in pool: the other one
// has to carry all traffic meanwhile, alone.
func deployChecks(d *Deployment, pool Pool) []Check {
	other := d.Pool(pool.Other())
	return []Check{
		{
			Name: "active pool", OK: other.Ready() && other.Fault == nil,
			Text: fmt.Sprintf("%s is %s; it must carry all traffic alone meanwhile", pool.Other(), describe(other)),
		},
		{Name: "no fault", OK: d.Pool(pool).Fault == nil, Text: faultText(d.Pool(pool))},
	}
}

// deployUndo is the command that takes a deploy back.
func deployUndo(spec *DeploySpec, before *Release) string {
	switch {
	case !spec.Staged:
		return "bgctl rollback"
	case before == nil:
		return ""
	}
	image, err := ParseImage(before.Image)
	if err != nil {
		return "" // the text is foreign, and no command would take it
	}
	undo := "bgctl deploy " + image
	if id, err := ParseRelease(before.ID); err == nil {
		undo += " --release " + id
	}
	return undo + " --no-switch"
}

// deployCommand is the command line of a deploy.
func deployCommand(spec *DeploySpec, opts *DeployOptions) string {
	words := []string{"bgctl deploy", spec.Release.Image}
	if spec.Release.ID != ReleaseOf(spec.Release.Image) {
		words = append(words, "--release", spec.Release.ID)
	}
	if opts.To != NoPool {
		words = append(words, "--to", opts.To.String())
	}
	if spec.Staged {
		words = append(words, "--no-switch")
	}
	if opts.Bake.For > 0 {
		words = append(words, "--bake", opts.Bake.For.String())
	}
	return strings.Join(words, " ")
}

// upper is the pool as the names of variables have it.
func upper(p Pool) string { return strings.ToUpper(p.String()) }

// maxRelease is how long a release may be called.
const maxRelease = 128

// splitReference returns repository, tag and digest of an image reference. What it does
// not name is empty, and all three are when it is none.
func splitReference(s string) (repo, tag, digest string) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return "", "", ""
	}
	if t, ok := named.(reference.Tagged); ok {
		tag = t.Tag()
	}
	if d, ok := named.(reference.Digested); ok {
		digest = d.Digest().String()
	}
	return reference.FamiliarName(named), tag, digest
}

// ReleaseOf is what a release is called when nobody says: the image's tag, else
// the beginning of its digest or ID, else "latest".
func ReleaseOf(image string) string {
	repo, tag, digest := splitReference(image)
	const short = 12
	switch {
	case strings.HasPrefix(image, "sha256:"):
		return image[len("sha256:"):min(len(image), len("sha256:")+short)]
	case repo == "":
		return image
	case tag != "":
		return tag
	case digest != "":
		return digest[len("sha256:") : len("sha256:")+short]
	}
	return "latest"
}

// ParseImage refuses what cannot be the reference of an image.
func ParseImage(s string) (string, error) {
	if repo, _, _ := splitReference(s); repo == "" {
		return "", fmt.Errorf("%q is no image: want something like registry.example/shop:1.5.0", s)
	}
	return s, nil
}

// releaseRE is what may be written to .env and into containers as a release.
var releaseRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// ParseRelease refuses a release that could not be written to an env file as it is.
func ParseRelease(s string) (string, error) {
	if len(s) > maxRelease || !releaseRE.MatchString(s) {
		return "", fmt.Errorf("release %q: use letters, digits and . _ + -, at most %d of them", s, maxRelease)
	}
	return s, nil
}
