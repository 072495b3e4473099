package compose

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/build"
)

// inlineDockerfile is what `dockerfile_inline` is called inside the context.
const inlineDockerfile = ".bgctl.Dockerfile"

// buildService builds the image of a service with the engine's classic builder.
func (c *Client) buildService(ctx context.Context, p *Project, service types.ServiceConfig, report func(string)) error {
	ref := p.ImageRef(service)
	content, dockerfile, err := packContext(p, service)
	if err != nil {
		return err
	}
	labels := map[string]string{
		projectLabel: p.Name, serviceLabel: service.Name, versionLabel: composeVersion,
	}
	maps.Copy(labels, service.Build.Labels)
	if p.Context(service) != nil {
		bases, err := baseImages(p, service)
		if err != nil {
			return err
		}
		local, err := c.localImages(ctx, bases)
		if err != nil {
			return err
		}
		if labels[contextHashLabel], err = contextHash(p, service, idsOf(bases, local)); err != nil {
			return err
		}
	}
	answer, err := c.api.ImageBuild(ctx, bytes.NewReader(content), build.ImageBuildOptions{
		Version: build.BuilderV1, Dockerfile: dockerfile, Tags: []string{ref}, Labels: labels,
		BuildArgs: service.Build.Args, Target: service.Build.Target, Platform: service.Platform,
		Remove: true, ForceRemove: true,
	})
	if err = c.lost(err); errors.Is(err, ErrUnreachable) {
		return fmt.Errorf("build %s: %w", ref, err)
	}
	if err != nil {
		return &BuildError{Image: ref, Reason: firstLine(err.Error())}
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end or abandoned
	return c.lost(followBuild(answer.Body, ref, report))
}

// followBuild reads the builder's messages; the engine answers 200 even when the build fails.
func followBuild(body io.Reader, ref string, report func(string)) error {
	last := &BuildError{Image: ref}
	err := followMessages(body, func(text string) {
		last.Output = lastLines(last.Output+text, 10)
		report(strings.TrimSpace(text))
	})
	if failed, ok := errors.AsType[messageError](err); ok {
		last.Reason = firstLine(failed.Error())
		return last
	}
	return err
}

// messageError is an error that the engine reports inside a stream.
type messageError string

func (e messageError) Error() string { return string(e) }

// followMessages passes on what a JSON message stream of a build or a pull says.
func followMessages(body io.Reader, say func(text string)) error {
	decoder := json.NewDecoder(bufio.NewReader(body))
	for {
		var message struct {
			Stream string `json:"stream"`
			Status string `json:"status"`
			Error  string `json:"error"`
		}
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the engine's progress: %w", err)
		case message.Error != "":
			return messageError(message.Error)
		case strings.TrimSpace(message.Stream) != "":
			say(message.Stream)
		case message.Status != "":
			say(message.Status)
		}
	}
}

// lastLines keeps the end of a text.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n") + "\n"
}
