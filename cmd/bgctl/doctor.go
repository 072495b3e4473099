package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/compose"
	"bgctl/internal/doctor"
	"bgctl/stack"
)

// doctorFlags are the flags of `bgctl doctor`.
type doctorFlags struct {
	json bool
	skip []string
}

// newDoctorCommand returns `bgctl doctor`.
func newDoctorCommand(a *app) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for everything that is known to go wrong, and say what to do", Args: cobra.NoArgs,
		Long: "Look at files, engine, containers, log, pools, alerts and at what interrupted commands\n" +
			"left behind. Everything is only read, nothing is posted, and it takes at most 10 s.\n\n" +
			"Exit code 0: nothing was found. 3: something failed, or deserves a warning; each\n" +
			"finding names what ends it, and --skip leaves out what you accept. 5: the engine\n" +
			"cannot be reached; the checks that need none were made all the same.\n\n" +
			"Checks:\n" + strings.TrimRight(doctor.List(), "\n"),
		Example: "  bgctl doctor\n  bgctl doctor --skip receiver\n  bgctl doctor --json | jq '.checks[] | select(.verdict == \"failed\")'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	cmd.Flags().StringSliceVar(&f.skip, "skip", nil, "leave out the `check`s with these names")
	return cmd
}

// doctor examines the deployment and ends with the code that tells the result to scripts.
func (a *app) doctor(ctx context.Context, f *doctorFlags) error {
	for _, id := range f.skip {
		if !slices.Contains(doctor.IDs(), id) {
			return usagef("--skip %s: there is no such check; see bgctl doctor --help", id)
		}
	}
	if err := useRoots(); err != nil {
		return err
	}
	report := doctor.Run(ctx, a.doctorSources(), f.skip)
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.json {
		if err := writeJSON(a.out, report); err != nil {
			return err
		}
	} else if err := report.Print(a.out); err != nil {
		return err
	}
	switch {
	case report.Unreachable:
		return codeError(exitUnreachable)
	case report.Sick():
		return codeError(exitDegraded)
	}
	return nil
}

// doctorSources are what the doctor asks of this process.
func (a *app) doctorSources() *doctor.Sources {
	return &doctor.Sources{
		Version: version(), EnvFile: a.envPath(), Template: stack.NginxTemplate, Now: time.Now, Alerts: alertConfig, Dial: doctor.Dial,
		Embedded: [][]byte{stack.Compose, stack.Demo},
		Load:     func(ctx context.Context) (*compose.Project, error) { return a.load(ctx) },
		Refine: func(ctx context.Context, p *compose.Project, services []string) (*compose.Project, error) {
			if p.Embedded && slices.Contains(services, stack.DemoService) {
				return a.load(ctx, stack.Demo)
			}
			return p, nil
		},
		Connect: func(ctx context.Context) (doctor.Engine, error) {
			client, err := a.connect(ctx)
			if err != nil {
				return nil, err
			}
			return doctor.NewEngine(client, time.Now), nil
		},
	}
}
