package compose

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
)

const pullTimeout = 15 * time.Minute

// ImageID returns the ID of a local image; [ErrNotFound] when there is none.
func (c *Client) ImageID(ctx context.Context, ref string) (string, error) {
	inspect, err := c.inspectImage(ctx, ref)
	return inspect.ID, err
}

// ImageInfo is a local image. Its texts are foreign.
type ImageInfo struct {
	ID      string   // sha256:…
	Digests []string // repository@sha256:…, one for each registry it is known to be in
	Labels  map[string]string
}

// Image inspects a local image by reference or ID; [ErrNotFound] when there is none.
func (c *Client) Image(ctx context.Context, ref string) (ImageInfo, error) {
	inspect, err := c.inspectImage(ctx, ref)
	if err != nil {
		return ImageInfo{}, err
	}
	out := ImageInfo{ID: inspect.ID, Digests: inspect.RepoDigests}
	if inspect.Config != nil {
		out.Labels = inspect.Config.Labels
	}
	return out, nil
}

// PullImageAs gets an image from its registry, with credentials as the engine wants
// them: base64 of their JSON. "" is none. The error is one line: the registry's reason,
// not its whole answer.
func (c *Client) PullImageAs(ctx context.Context, ref, auth string) error {
	ctx, cancel := within(ctx, pullTimeout)
	defer cancel()
	doing := "pull image " + ref
	body, err := c.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return pullReason(c.wrap(doing, err), ref)
	}
	defer func() { _ = body.Close() }()
	// The engine answers 200 first and reports a failure in the stream.
	return pullReason(c.wrap(doing, readProgress(body)), ref)
}

func (c *Client) inspectImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	inspect, err := c.api.ImageInspect(ctx, ref)
	return inspect, c.wrap("inspect image "+shortImage(ref), err)
}

func shortImage(ref string) string {
	return shortID(strings.TrimPrefix(ref, "sha256:"))
}

// pullReason turns the usual refusals into words that say what to do.
func pullReason(err error, ref string) error {
	if err == nil || errors.Is(err, ErrUnreachable) {
		return err
	}
	text := err.Error()
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	reason := ""
	switch {
	case has("manifest unknown", "not found: manifest", "manifest for"):
		reason = "the registry has no such tag"
	case has("pull access denied", "repository does not exist", "requested access to the resource is denied"):
		reason = "the registry has no such repository, or it wants a login (`docker pull " + ref + "` uses yours)"
	case has("unauthorized", "no basic auth credentials", "authentication required"):
		reason = "the registry wants a login (`docker pull " + ref + "` uses yours)"
	case has("no such host", "server misbehaving", "connection refused", "i/o timeout", "Client.Timeout", "network is unreachable"):
		reason = "the engine cannot reach the registry"
	case has("toomanyrequests", "rate limit"):
		reason = "the registry's rate limit is reached; try again later or log in"
	case has("no matching manifest"):
		reason = "the image is not made for this engine's platform"
	case has("no space left"):
		reason = "the engine's disk is full"
	default:
		return err
	}
	return &engineError{doing: "pull image " + ref, reason: reason, cause: err}
}

// progressLine is what a pull and a build write, one JSON object after another.
type progressLine struct {
	Error       string `json:"error"`
	ErrorDetail struct {
		Message string `json:"message"`
	} `json:"errorDetail"`
}

// readProgress reads to the end and returns the failure that the stream carries.
func readProgress(body io.Reader) error {
	decoder := json.NewDecoder(bufio.NewReader(body))
	for {
		var line progressLine
		err := decoder.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the engine's progress: %w", err)
		case line.ErrorDetail.Message != "":
			return plainText([]byte(line.ErrorDetail.Message))
		case line.Error != "":
			return plainText([]byte(line.Error))
		}
	}
}
