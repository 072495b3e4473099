package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bgctl/internal/compose"
)

// selfRef is the image of this program in the embedded stack.
const selfRef = "bgctl:local"

// newImageCommand returns `bgctl image`.
func newImageCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "image [NAME]", Short: "Build the bgctl image from this executable", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := a.setting("BGCTL_IMAGE")
			if err != nil {
				return err
			}
			ref = or(append(args, ref)[0], selfRef)
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }() // nothing is in flight any more
			self, err := selfImage(ref)
			if err != nil {
				return err
			}
			id, built, err := client.BuildSelfImage(cmd.Context(), self)
			if err != nil {
				return err
			}
			what := "is up to date"
			if built {
				what = "built"
			}
			fmt.Fprintf(a.out, "%s %s (%.19s)\n", ref, what, id)
			return nil
		},
	}
}

// selfImage describes the image of this executable: by default it is the demo
// application, and it brings its own health check.
func selfImage(ref string) (compose.SelfImage, error) {
	exe, err := os.Executable()
	if err != nil {
		return compose.SelfImage{}, fmt.Errorf("find the own executable: %w", err)
	}
	return compose.SelfImage{
		Ref: ref, Executable: exe, Cmd: []string{"demo-app"}, Health: []string{"/bgctl", "healthcheck"},
	}, nil
}

// selfImages provides the bgctl image to `up`.
type selfImages struct {
	client *compose.Client
	ref    string
}

// selfImages returns the provider for a target: its project says how the image is called.
func (a *app) selfImages(t *target) *selfImages {
	return &selfImages{client: t.client, ref: or(t.project.Environment["BGCTL_IMAGE"], selfRef)}
}

// Provides implements [compose.ImageProvider].
func (s *selfImages) Provides(ref string) bool { return ref == s.ref && !strings.Contains(ref, "/") }

// Ensure implements [compose.ImageProvider].
func (s *selfImages) Ensure(ctx context.Context, ref string, report func(string)) (bool, error) {
	if !s.Provides(ref) {
		return false, nil
	}
	self, err := selfImage(ref)
	if err != nil {
		return true, err
	}
	report("building from this executable")
	_, _, err = s.client.BuildSelfImage(ctx, self)
	return true, err
}

// Outdated implements [compose.ImageChecker]: an image of another build of this
// program is renewed, unless this one cannot run on the engine.
func (s *selfImages) Outdated(ref string, image compose.ObservedImage) string {
	if !s.Provides(ref) {
		return ""
	}
	self, err := selfImage(ref)
	if err != nil {
		return ""
	}
	sum, err := s.client.SelfSum(self)
	if err != nil || errors.Is(err, compose.ErrNotSelfHosting) || image.Labels[compose.SelfImageLabel] == sum {
		return ""
	}
	return "made from another build of bgctl"
}
