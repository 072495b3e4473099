package compose

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/docker/docker/client"
)

// SelfImageLabel carries the SHA-256 of the executable in the image, so that
// the same binary is not built twice.
const SelfImageLabel = "bgctl.binary-sha256"

const (
	loadTimeout = 5 * time.Minute // a 20 MB binary over a slow ssh link
	selfUID     = 65532           // "nonroot" of the distroless images
)

// ErrNotSelfHosting is matched when the executable cannot run on the engine.
var ErrNotSelfHosting = errors.New("executable does not run on the engine")

// SelfImage is an image made of one executable.
type SelfImage struct {
	Ref        string
	Executable string // path, usually os.Executable
	Labels     map[string]string
	Cmd        []string // arguments when the container is given none
	Health     []string // health check, as an argument list; none when empty
}

// BuildSelfImage makes an image from an executable that is a static Linux
// binary of the engine's architecture, and says so with [ErrNotSelfHosting] and
// what to run when it is not. Built is false when the image is there already.
func (c *Client) BuildSelfImage(ctx context.Context, self SelfImage) (id string, built bool, err error) {
	file, err := os.Open(self.Executable)
	if err != nil {
		return "", false, fmt.Errorf("open the executable: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum, size, err := c.selfSum(file, self)
	if err != nil {
		return "", false, err
	}
	labels := maps.Clone(self.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[SelfImageLabel] = sum
	present, err := c.inspectImage(ctx, self.Ref)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return "", false, err
	case present.Config != nil && hasLabels(present.Config.Labels, labels):
		return present.ID, false, nil
	}
	self.Labels = labels
	archive, err := newSelfArchive(self, c.info, file, size)
	if err != nil {
		return "", false, err
	}
	id, err = c.load(ctx, self.Ref, archive)
	return id, err == nil, err
}

// SelfSum returns what [SelfImageLabel] is in an image of this executable, and
// [ErrNotSelfHosting] when there can be none on this engine.
func (c *Client) SelfSum(self SelfImage) (string, error) {
	file, err := os.Open(self.Executable)
	if err != nil {
		return "", fmt.Errorf("open the executable: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum, _, err := c.selfSum(file, self)
	return sum, err
}

// selfSum checks the executable and sums it up together with what the image says
// of itself.
func (c *Client) selfSum(file *os.File, self SelfImage) (sum string, size int64, err error) {
	if err := checkExecutable(file, c.info); err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, fmt.Errorf("read the executable: %w", err)
	}
	fmt.Fprintf(hash, "%q%q", self.Cmd, self.Health)
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

func hasLabels(got, want map[string]string) bool {
	for key, value := range want {
		if got[key] != value {
			return false
		}
	}
	return true
}

// load hands the image's archive to the engine. Loading one layer takes a tenth of the
// time of a build, which commits a container for each line of a Dockerfile, and needs
// neither the classic builder, which engines give up, nor a session with BuildKit.
func (c *Client) load(ctx context.Context, ref string, archive *selfArchive) (string, error) {
	ctx, cancel := within(ctx, loadTimeout)
	defer cancel()
	doing := "load image " + ref
	stream := archive.stream()
	defer func() { _ = stream.Close() }()
	answer, err := c.api.ImageLoad(ctx, stream, client.ImageLoadWithQuiet(true))
	if err != nil {
		return "", c.wrap(doing, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := readProgress(answer.Body); err != nil {
		return "", c.wrap(doing, err)
	}
	// Which hash is the image's ID depends on the engine's image store.
	return c.ImageID(ctx, ref)
}

// checkExecutable reads the ELF header: type, machine, and whether it names an
// interpreter, which an image from scratch does not have.
func checkExecutable(file io.ReaderAt, engine Info) error {
	refuse := func(why string) error {
		return fmt.Errorf("%w: %s; run `CGO_ENABLED=0 GOOS=linux GOARCH=%s go build ./cmd/bgctl` or `make images`",
			ErrNotSelfHosting, why, engine.Arch)
	}
	if engine.OSType != "linux" {
		return fmt.Errorf("%w: the engine runs %s containers, not linux ones", ErrNotSelfHosting, engine.OSType)
	}
	binary, err := elf.NewFile(file)
	if err != nil {
		return refuse("it is not a Linux binary")
	}
	defer func() { _ = binary.Close() }()
	if arch := elfArch(binary); arch != engine.Arch {
		return refuse(fmt.Sprintf("it is made for %s, the engine runs on %s", arch, engine.Arch))
	}
	if binary.Type != elf.ET_EXEC && binary.Type != elf.ET_DYN {
		return refuse("it is not a program")
	}
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP {
			return refuse("it is linked dynamically and needs a C library")
		}
	}
	return nil
}

func elfArch(binary *elf.File) string {
	names := []struct {
		machine elf.Machine
		order   elf.Data
		arch    string
	}{
		{elf.EM_X86_64, elf.ELFDATA2LSB, "amd64"},
		{elf.EM_AARCH64, elf.ELFDATA2LSB, "arm64"},
		{elf.EM_386, elf.ELFDATA2LSB, "386"},
		{elf.EM_ARM, elf.ELFDATA2LSB, "arm"},
		{elf.EM_RISCV, elf.ELFDATA2LSB, "riscv64"},
		{elf.EM_LOONGARCH, elf.ELFDATA2LSB, "loong64"},
		{elf.EM_PPC64, elf.ELFDATA2LSB, "ppc64le"},
		{elf.EM_S390, elf.ELFDATA2MSB, "s390x"},
	}
	for _, name := range names {
		if binary.Machine == name.machine && binary.Data == name.order {
			return name.arch
		}
	}
	return binary.Machine.String()
}
