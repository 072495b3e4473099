package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

func resources(s types.ServiceConfig) container.Resources {
	out := container.Resources{
		Memory: int64(s.MemLimit), MemorySwap: int64(s.MemSwapLimit), MemoryReservation: int64(s.MemReservation),
		NanoCPUs: int64(s.CPUS * 1e9), Ulimits: ulimits(s),
	}
	if s.PidsLimit != 0 {
		out.PidsLimit = &s.PidsLimit
	}
	if s.Deploy == nil {
		return out
	}
	if limits := s.Deploy.Resources.Limits; limits != nil {
		if limits.MemoryBytes != 0 {
			out.Memory = int64(limits.MemoryBytes)
		}
		if limits.NanoCPUs != 0 {
			out.NanoCPUs = int64(limits.NanoCPUs * 1e9)
		}
		if limits.Pids > 0 {
			out.PidsLimit = &limits.Pids
		}
	}
	if reserved := s.Deploy.Resources.Reservations; reserved != nil && reserved.MemoryBytes != 0 {
		out.MemoryReservation = int64(reserved.MemoryBytes)
	}
	return out
}

func ulimits(s types.ServiceConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for _, name := range sortedKeys(s.Ulimits) {
		limit := s.Ulimits[name]
		soft, hard := limit.Single, limit.Single
		if limit.Soft != 0 {
			soft = limit.Soft
		}
		if limit.Hard != 0 {
			hard = limit.Hard
		}
		out = append(out, &container.Ulimit{Name: name, Soft: int64(soft), Hard: int64(hard)})
	}
	return out
}

// securityOptions resolves what the docker command resolves on the client: a
// seccomp profile is sent by content, and systempaths are fields of their own.
func securityOptions(p *Project, options []string, host *container.HostConfig) error {
	for _, option := range options {
		if option == "systempaths=unconfined" {
			host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
			continue
		}
		profile, isSeccomp := strings.CutPrefix(option, "seccomp=")
		if !isSeccomp {
			profile, isSeccomp = strings.CutPrefix(option, "seccomp:")
		}
		if isSeccomp && profile != "unconfined" && profile != "builtin" {
			if !filepath.IsAbs(profile) {
				profile = filepath.Join(p.WorkingDir, profile)
			}
			content, err := os.ReadFile(profile) //nolint:gosec // the project names the file
			if err != nil {
				return fmt.Errorf("read the seccomp profile: %w", err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, content); err != nil {
				return fmt.Errorf("read the seccomp profile %s: %w", profile, err)
			}
			option = "seccomp=" + compact.String()
		}
		host.SecurityOpt = append(host.SecurityOpt, option)
	}
	return nil
}

// volumes splits the mounts as docker compose does: the old bind form where it
// says all, because only that creates a missing host path, else the mount form.
func (b blueprint) volumes() (binds []string, mounts []mount.Mount) {
	inherited := b.inherited()
	for _, v := range b.service.Volumes {
		if old, ok := inherited[v.Target]; ok && v.Source == "" && v.Type == types.VolumeTypeVolume {
			mounts = append(mounts, old)
			delete(inherited, v.Target)
			continue
		}
		delete(inherited, v.Target)
		if bind := b.bindForm(v); bind != "" {
			binds = append(binds, bind)
			continue
		}
		mounts = append(mounts, b.mountForm(v))
	}
	for _, target := range sortedKeys(inherited) {
		mounts = append(mounts, inherited[target])
	}
	for _, ref := range fileReferences(b.project, b.service) {
		if ref.object.File == "" || b.project.delivers(b.service.Name, ref.target()) {
			continue
		}
		mounts = append(mounts, mount.Mount{
			Type: mount.TypeBind, Source: ref.object.File, Target: ref.target(), ReadOnly: true,
		})
	}
	return binds, mounts
}

// inherited are the anonymous volumes of the container that is replaced: their
// data would otherwise be lost with every recreate.
func (b blueprint) inherited() map[string]mount.Mount {
	out := map[string]mount.Mount{}
	if b.inherit == nil {
		return out
	}
	anonymous := map[string]bool{}
	for target := range b.imageVols {
		anonymous[target] = true
	}
	for _, v := range b.service.Volumes {
		if v.Source == "" {
			anonymous[v.Target] = true
		}
	}
	for _, m := range b.inherit.Mounts {
		if m.Type != string(mount.TypeVolume) || !anonymous[m.Target] {
			continue
		}
		out[m.Target] = mount.Mount{Type: mount.TypeVolume, Source: m.Name, Target: m.Target, ReadOnly: m.ReadOnly}
	}
	return out
}

func (b blueprint) source(v types.ServiceVolumeConfig) string {
	if v.Type == types.VolumeTypeVolume {
		if named, ok := b.project.Volumes[v.Source]; ok {
			return named.Name
		}
	}
	return v.Source
}

// bindForm returns the "source:target:options" form, "" where it cannot say it all.
func (b blueprint) bindForm(v types.ServiceVolumeConfig) string {
	switch {
	case v.Source == "":
		return ""
	case v.Type == types.VolumeTypeBind:
		if v.Bind != nil && (!bool(v.Bind.CreateHostPath) || v.Bind.Propagation != "") {
			return ""
		}
	case v.Type == types.VolumeTypeVolume:
		if v.Volume != nil && v.Volume.NoCopy {
			return ""
		}
	default:
		return ""
	}
	options := []string{"rw"}
	if v.ReadOnly {
		options[0] = "ro"
	}
	if v.Bind != nil && v.Bind.SELinux != "" {
		options = append(options, v.Bind.SELinux)
	}
	return b.source(v) + ":" + v.Target + ":" + strings.Join(options, ",")
}

func (b blueprint) mountForm(v types.ServiceVolumeConfig) mount.Mount {
	out := mount.Mount{
		Type: mount.Type(v.Type), Source: b.source(v), Target: v.Target, ReadOnly: v.ReadOnly,
		Consistency: mount.Consistency(v.Consistency),
	}
	switch v.Type {
	case types.VolumeTypeBind:
		if v.Bind != nil {
			out.BindOptions = &mount.BindOptions{
				Propagation: mount.Propagation(v.Bind.Propagation), CreateMountpoint: bool(v.Bind.CreateHostPath),
			}
		}
	case types.VolumeTypeVolume:
		if v.Volume != nil {
			out.VolumeOptions = &mount.VolumeOptions{NoCopy: v.Volume.NoCopy}
		}
	case types.VolumeTypeTmpfs:
		if v.Tmpfs != nil {
			out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(v.Tmpfs.Size), Mode: os.FileMode(v.Tmpfs.Mode)}
		}
	}
	return out
}
