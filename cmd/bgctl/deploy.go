package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/bake"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
)

// deployFlags are the flags of `bgctl deploy`.
type deployFlags struct {
	actFlags
	release  string
	to       string
	pull     string
	bake     time.Duration
	timeout  time.Duration
	noSwitch bool
}

const deployLong = `Put a release into the standby pool, and move traffic to it when it is ready.

The active pool is not touched. While the new release is not verified nginx never
fails over to it. When it does not become ready, its log is printed and the old
image is put back. After the switch the old release stays as backup: bgctl rollback
goes back to it at once.

With --bake the new release is watched for that long: when more than
ERROR_RATE_THRESHOLD percent of the last WINDOW_SIZE requests fail on it, also those
that the old release saved, traffic goes back by itself (exit code 7).`

// newDeployCommand returns `bgctl deploy`.
func newDeployCommand(a *app) *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use: "deploy IMAGE", Short: "Put a release into the standby pool, then move traffic to it",
		Long:    deployLong,
		Example: "  bgctl deploy registry.example/shop:1.5.0\n  bgctl deploy shop:1.5.0 --bake 10m\n  bgctl deploy shop:1.5.0 --no-switch && bgctl switch green",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s wants one image, such as registry.example/shop:1.5.0", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := f.options()
			if err != nil {
				return err
			}
			image, err := bluegreen.ParseImage(args[0])
			if err != nil {
				return usageError{err}
			}
			rel := bluegreen.Release{Image: image, ID: f.release}
			act := action{flags: f.actFlags, receipt: !f.noSwitch, bake: &opts.Bake, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanDeploy(d, rel, opts)
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "deploy although a gate fails; the plan says what that skips")
	cmd.Flags().StringVar(&f.release, "release", "", "what the release is called (default: the image's tag)")
	cmd.Flags().StringVar(&f.to, "to", "", "refuse unless this `pool` is the standby")
	cmd.Flags().DurationVar(&f.bake, "bake", 0, "watch the new release this long, roll back by itself on a breach")
	cmd.Flags().BoolVar(&f.noSwitch, "no-switch", false, "leave traffic where it is; bgctl switch moves it later")
	cmd.Flags().StringVar(&f.pull, "pull", string(bluegreen.PullMissing), "missing, always, never")
	cmd.Flags().DurationVar(&f.timeout, "timeout", bluegreen.DeployTimeout, "how long the new release may take to become ready")
	return cmd
}

// options checks the flags.
func (f *deployFlags) options() (bluegreen.DeployOptions, error) {
	opts := bluegreen.DeployOptions{Timeout: f.timeout, Staged: f.noSwitch, Force: f.force, Bake: bluegreen.BakeSpec{For: f.bake}}
	var err error
	if opts.Pull, err = bluegreen.ParsePullPolicy(f.pull); err != nil {
		return opts, usagef("--pull: %w", err)
	}
	if f.to != "" {
		if opts.To, err = bluegreen.ParsePool(f.to); err != nil {
			return opts, usagef("--to: %w", err)
		}
	}
	if f.release != "" {
		if _, err = bluegreen.ParseRelease(f.release); err != nil {
			return opts, usagef("--release: %w", err)
		}
	}
	switch {
	case f.timeout <= 0:
		return opts, usagef("--timeout %s: want a time above 0", f.timeout)
	case f.noSwitch && f.bake > 0:
		return opts, usagef("--bake watches a release that takes traffic; with --no-switch none does: use bgctl switch POOL --bake 10m")
	}
	return opts, checkBake(f.bake)
}

// checkBake refuses times that make no sense.
func checkBake(d time.Duration) error {
	if d < 0 || d > bluegreen.MaxBake {
		return usagef("--bake %s: want a time up to %s", d, bluegreen.MaxBake)
	}
	return nil
}

// installer puts releases into the target's pools.
func (a *app) installer(t *target) *deployment.Installer {
	return &deployment.Installer{
		Client: t.client, Images: a.selfImages(t), SaveEnv: a.releaseSaver(),
		Auth: func(ref string) (string, error) { return compose.RegistryAuth(a.configDir(), ref) },
		Load: func(ctx context.Context, vars map[string]string) (*compose.Project, error) {
			return a.loadWith(ctx, vars)
		},
	}
}

// loadWith loads the project with further variables, which win over all others.
func (a *app) loadWith(ctx context.Context, vars map[string]string, overrides ...[]byte) (*compose.Project, error) {
	with := *a
	with.environ = slices.Clone(a.environ)
	for name, value := range vars {
		with.environ = append(with.environ, name+"="+value)
	}
	return with.load(ctx, overrides...)
}

// gauge judges the target's pools by the settings of its watcher.
func (a *app) gauge(t *target) *bake.Gauge {
	cfg, err := watcherConfig(t.project)
	if err != nil {
		cfg = alert.DefaultConfig() // a command that bakes has refused them before
	}
	return &bake.Gauge{Alert: cfg, Follow: func(from logstream.RemoteConfig) bake.Source { return t.stack.FollowAccessLog(from) }}
}
