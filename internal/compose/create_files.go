package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

// fileReference is a config or a secret as one service uses it.
type fileReference struct {
	types.FileReferenceConfig
	kind   string // configs, secrets
	object types.FileObjectConfig
}

// target is where the file appears, by docker compose's defaults.
func (r fileReference) target() string {
	base := "/"
	if r.kind == "secrets" {
		base = "/run/secrets/"
	}
	switch {
	case r.Target == "":
		return base + r.Source
	case strings.HasPrefix(r.Target, "/"):
		return r.Target
	default:
		return base + r.Target
	}
}

// fileReferences lists the configs, then the secrets of a service.
func fileReferences(p *Project, service types.ServiceConfig) []fileReference {
	var refs []fileReference
	for _, config := range service.Configs {
		refs = append(refs, fileReference{
			types.FileReferenceConfig(config), "configs", types.FileObjectConfig(p.Configs[config.Source]),
		})
	}
	for _, secret := range service.Secrets {
		refs = append(refs, fileReference{
			types.FileReferenceConfig(secret), "secrets", types.FileObjectConfig(p.Secrets[secret.Source]),
		})
	}
	return refs
}

// content is what is copied into the container; copied is false for `file:`,
// which is a bind mount.
func (r fileReference) content(env types.Mapping) (content string, copied bool, err error) {
	switch {
	case r.object.Content != "":
		return r.object.Content, true, nil
	case r.object.Environment != "":
		value, ok := env[r.object.Environment]
		if !ok {
			return "", false, fmt.Errorf("%s.%s needs the environment variable %s, which is not set",
				r.kind, r.Source, r.object.Environment)
		}
		return value, true, nil
	default:
		return "", false, nil
	}
}

// filesTar packs the files that are copied into a container of the service; nil
// when there are none.
func filesTar(p *Project, service types.ServiceConfig) ([]byte, error) {
	var buf bytes.Buffer
	out := tar.NewWriter(&buf)
	count := 0
	for _, ref := range fileReferences(p, service) {
		content, copied, err := ref.content(p.Environment)
		if err != nil {
			return nil, err
		}
		if !copied {
			continue
		}
		header, err := ref.header(len(content))
		if err != nil {
			return nil, err
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s.%s: %w", ref.kind, ref.Source, err)
		}
		if _, err := out.Write([]byte(content)); err != nil {
			return nil, fmt.Errorf("pack %s.%s: %w", ref.kind, ref.Source, err)
		}
		count++
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("pack the files of %s: %w", service.Name, err)
	}
	if count == 0 {
		return nil, nil
	}
	return buf.Bytes(), nil
}

func (r fileReference) header(size int) (*tar.Header, error) {
	header := &tar.Header{Name: strings.TrimPrefix(path.Clean(r.target()), "/"), Size: int64(size), Mode: 0o444}
	if r.Mode != nil {
		header.Mode = int64(*r.Mode)
	}
	for _, id := range []struct {
		text string
		to   *int
	}{{r.UID, &header.Uid}, {r.GID, &header.Gid}} {
		if id.text == "" {
			continue
		}
		number, err := strconv.Atoi(id.text)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: uid and gid have to be numbers: %w", r.kind, r.Source, err)
		}
		*id.to = number
	}
	return header, nil
}

// filesHash changes when the copied files do. docker compose leaves them out of
// its config hash, so that an edited `content:` would never reach the container.
func filesHash(p *Project, service types.ServiceConfig) (string, error) {
	packed, err := filesTar(p, service)
	if err != nil {
		return "", err
	}
	for i := range p.deliveries[service.Name] {
		more, err := p.deliveries[service.Name][i].pack()
		if err != nil {
			return "", err
		}
		packed = append(packed, more...)
	}
	if packed == nil {
		return "", nil
	}
	sum := sha256.Sum256(packed)
	return hex.EncodeToString(sum[:])[:16], nil
}

// injectFiles copies configs and secrets into a container that does not run yet.
func (c *Client) injectFiles(ctx context.Context, p *Project, service types.ServiceConfig, id string) error {
	if err := c.deliver(ctx, p, service.Name, id); err != nil {
		return err
	}
	packed, err := filesTar(p, service)
	if err != nil || packed == nil {
		return err
	}
	// Without CopyUIDGID: with it the engine gives the files to the container's
	// user, whatever uid and gid say.
	err = c.api.CopyToContainer(ctx, id, "/", bytes.NewReader(packed), container.CopyToContainerOptions{})
	return c.wrap("copy configs and secrets into "+service.Name, err)
}
