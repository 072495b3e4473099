package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

// Owner is whom a delivered file belongs to; nobody else can read it.
type Owner struct{ UID, GID int }

// ownerOnly is the mode of a delivered file.
const ownerOnly = 0o400

// delivery is a `file:` secret whose content goes into a volume of the service, after
// its container is made and before it starts. A bind mount, as docker compose makes
// one, needs the file on the engine's machine and the file's owner inside the
// container; a copy into the root file system needs one that is not read-only.
type delivery struct {
	volume  string // where the volume is mounted
	name    string // of the file below it
	content string
	owner   Owner
}

// SecretFile is a `file:` secret as a service uses it.
type SecretFile struct {
	Source string // name of the secret
	File   string // on this machine, absolute
	Target string // in the container
}

// SecretFiles lists the `file:` secrets of a service.
func (p *Project) SecretFiles(service string) []SecretFile {
	var out []SecretFile
	for _, ref := range fileReferences(p, p.Services[service]) {
		if ref.kind == "secrets" && ref.object.File != "" {
			out = append(out, SecretFile{Source: ref.Source, File: ref.object.File, Target: ref.target()})
		}
	}
	return out
}

// Deliver has content written to the target of a `file:` secret, for the owner's eyes
// only, instead of a bind mount of the file. The target has to be in a volume that the
// service may write to: else the file stays a bind mount, and Deliver returns false.
func (p *Project) Deliver(service string, file SecretFile, content string, owner Owner) bool {
	for _, v := range p.Services[service].Volumes {
		name, inside := strings.CutPrefix(file.Target, strings.TrimSuffix(v.Target, "/")+"/")
		if v.Type != types.VolumeTypeVolume || v.ReadOnly || !inside {
			continue
		}
		all := maps.Clone(p.deliveries)
		if all == nil {
			all = map[string][]delivery{}
		}
		all[service] = append(slices.Clip(all[service]),
			delivery{volume: v.Target, name: name, content: content, owner: owner})
		p.deliveries = all
		return true
	}
	return false
}

// delivers reports whether a target of a service is delivered.
func (p *Project) delivers(service, target string) bool {
	for _, d := range p.deliveries[service] {
		if strings.TrimSuffix(d.volume, "/")+"/"+d.name == target {
			return true
		}
	}
	return false
}

// hasNews reports whether a service is to be delivered anything but empty files.
func (p *Project) hasNews(service string) bool {
	for _, d := range p.deliveries[service] {
		if d.content != "" {
			return true
		}
	}
	return false
}

// pack returns the archive that [Client.deliver] unpacks.
func (d *delivery) pack() ([]byte, error) {
	var buf bytes.Buffer
	out := tar.NewWriter(&buf)
	header := &tar.Header{Name: d.name, Size: int64(len(d.content)), Mode: ownerOnly, Uid: d.owner.UID, Gid: d.owner.GID}
	if err := out.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("pack %s: %w", d.name, err)
	}
	if _, err := out.Write([]byte(d.content)); err != nil {
		return nil, fmt.Errorf("pack %s: %w", d.name, err)
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", d.name, err)
	}
	return buf.Bytes(), nil
}

// deliver writes the delivered files of a service into its container's volumes. The
// volume outlives the container, so that what is no longer set is overwritten as well.
func (c *Client) deliver(ctx context.Context, p *Project, service, id string) error {
	for i := range p.deliveries[service] {
		d := &p.deliveries[service][i]
		packed, err := d.pack()
		if err != nil {
			return err
		}
		err = c.api.CopyToContainer(ctx, id, d.volume, bytes.NewReader(packed), container.CopyToContainerOptions{})
		// A container that docker compose made has a bind mount there; it is replaced before
		// it is to have a content.
		if err != nil && d.content != "" {
			return fmt.Errorf("copy the secret %s into %s: %w", d.name, service, d.scrub(err))
		}
	}
	return nil
}

// scrub keeps the content out of an error: an engine, or what stands in front of it,
// may echo what it was sent.
func (d *delivery) scrub(err error) error {
	secret := strings.TrimSpace(d.content)
	if secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, hidden))
}
