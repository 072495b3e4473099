package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// LoadOptions say where a project comes from.
type LoadOptions struct {
	// WorkingDir is where the command runs; absolute.
	WorkingDir string
	// Files are explicit compose files. Without any, COMPOSE_FILE and then the
	// usual names are looked for, in WorkingDir only and never in its parents:
	// acting on a project further up that nobody named is a trap.
	Files []string
	// Embedded is used when there is no file.
	Embedded *Embedded
	// ProjectName overrides COMPOSE_PROJECT_NAME, `name:` and the directory.
	ProjectName string
	// EnvFiles replace .env.
	EnvFiles []string
	// Environ is the process environment, KEY=value; it wins over files.
	Environ []string
}

// Embedded is a project that is part of the program.
type Embedded struct {
	// Name stands for the file in labels and messages.
	Name    string
	Content []byte
	// Overrides are merged over Content, in order.
	Overrides [][]byte
	// Contexts are the build contexts by the path the file gives, cleaned: nginx for ./nginx.
	Contexts map[string]fs.FS
}

// Load reads, merges, interpolates and checks a project. Everything it does not
// implement is reported in one [UnsupportedError].
func Load(ctx context.Context, opts LoadOptions) (*Project, error) {
	env := types.NewMapping(opts.Environ)
	files, err := findFiles(opts, env)
	if err != nil {
		return nil, err
	}
	dir := opts.WorkingDir
	if len(files) > 0 {
		dir = filepath.Dir(files[0])
	}
	envFiles, err := readEnvFiles(opts, dir, env)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 && env["COMPOSE_FILE"] != "" {
		// .env may name the files, as in docker compose.
		files = splitComposeFile(env, dir)
	}
	sources, err := readSources(files, opts.Embedded, dir)
	if err != nil {
		return nil, err
	}
	inner, err := parse(ctx, sources, dir, env, opts.ProjectName)
	if err != nil {
		return nil, err
	}
	project := &Project{Project: inner, Files: files, EnvFiles: envFiles}
	if len(files) == 0 {
		project.Embedded = true
		project.Files = []string{opts.Embedded.Name}
		project.contexts = opts.Embedded.Contexts
	}
	inner.ComposeFiles = project.Files
	if err := checkSupported(project); err != nil {
		return nil, err
	}
	return project, nil
}

// ExpectedName is the name that a project has unless its file gives another one. It reads
// no compose file, and is wrong at worst.
func ExpectedName(opts LoadOptions) string {
	if opts.ProjectName != "" {
		return opts.ProjectName
	}
	if opts.Embedded == nil {
		opts.Embedded = &Embedded{} // whether there is one makes no difference to the name
	}
	env := types.NewMapping(opts.Environ)
	files, err := findFiles(opts, env)
	if err != nil {
		return ""
	}
	dir := opts.WorkingDir
	if len(files) > 0 {
		dir = filepath.Dir(files[0])
	}
	if _, err := readEnvFiles(opts, dir, env); err != nil {
		return "" // the load says what is wrong with it
	}
	if name := env["COMPOSE_PROJECT_NAME"]; name != "" {
		return name
	}
	return loader.NormalizeProjectName(filepath.Base(dir))
}

func findFiles(opts LoadOptions, env types.Mapping) ([]string, error) {
	if len(opts.Files) > 0 {
		return absolute(opts.Files, opts.WorkingDir), nil
	}
	if env["COMPOSE_FILE"] != "" {
		return splitComposeFile(env, opts.WorkingDir), nil
	}
	found := firstThat(opts.WorkingDir,
		"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
	if found == "" {
		if opts.Embedded == nil {
			return nil, fmt.Errorf("%w in %s: add compose.yaml or name a file with -f", ErrNoProject, opts.WorkingDir)
		}
		return nil, nil
	}
	files := []string{found}
	override := firstThat(opts.WorkingDir, "compose.override.yml", "compose.override.yaml",
		"docker-compose.override.yml", "docker-compose.override.yaml")
	if override != "" {
		files = append(files, override)
	}
	return files, nil
}

func splitComposeFile(env types.Mapping, dir string) []string {
	separator := env["COMPOSE_PATH_SEPARATOR"]
	if separator == "" {
		separator = string(os.PathListSeparator)
	}
	return absolute(strings.Split(env["COMPOSE_FILE"], separator), dir)
}

func absolute(paths []string, dir string) []string {
	out := make([]string, len(paths))
	for i, path := range paths {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		out[i] = filepath.Clean(path)
	}
	return out
}

func firstThat(dir string, names ...string) string {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}

// readEnvFiles merges the explicit files, or .env beside the compose file, into
// env without overwriting what is set. It returns the explicit ones.
func readEnvFiles(opts LoadOptions, dir string, env types.Mapping) ([]string, error) {
	explicit := absolute(opts.EnvFiles, opts.WorkingDir)
	files := explicit
	if len(files) == 0 {
		if found := firstThat(dir, ".env"); found != "" {
			files = []string{found}
		}
	}
	values, err := dotenv.GetEnvFromFile(env, files)
	if err != nil {
		return nil, fmt.Errorf("read the environment file: %w", envFilesError(files, env))
	}
	env.Merge(values)
	return explicit, nil
}

func readSources(files []string, embedded *Embedded, dir string) ([]types.ConfigFile, error) {
	if len(files) == 0 {
		name := filepath.Join(dir, filepath.Base(embedded.Name))
		sources := []types.ConfigFile{{Filename: name, Content: embedded.Content}}
		for i, override := range embedded.Overrides {
			sources = append(sources, types.ConfigFile{Filename: fmt.Sprintf("%s.%d", name, i+1), Content: override})
		}
		return sources, nil
	}
	sources := make([]types.ConfigFile, 0, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // naming this file is what the user asked for
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: %s does not exist", ErrNoProject, file)
		case err != nil:
			return nil, fmt.Errorf("read the compose file: %w", err)
		}
		sources = append(sources, types.ConfigFile{Filename: file, Content: content})
	}
	return sources, nil
}

func parse(ctx context.Context, sources []types.ConfigFile, dir string, env types.Mapping, name string,
) (*types.Project, error) {
	if name == "" {
		name = env["COMPOSE_PROJECT_NAME"]
	}
	imperative := name != ""
	if !imperative && !namedInFile(sources) {
		name = loader.NormalizeProjectName(filepath.Base(dir))
	}
	configure := func(o *loader.Options) {
		if name != "" {
			o.SetProjectName(name, imperative)
		}
		if profiles := env["COMPOSE_PROFILES"]; profiles != "" {
			o.Profiles = strings.Split(profiles, ",")
		}
	}
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir: dir, ConfigFiles: sources, Environment: env,
	}, configure, loader.WithDiscardEnvFiles)
	if err != nil {
		return nil, fmt.Errorf("load the compose file: %w", hideValues(err, env))
	}
	if project.Name == "" {
		return nil, errors.New("load the compose file: the project has no name: give one with -p or `name:`")
	}
	return project.WithoutUnnecessaryResources(), nil
}

// namedInFile looks for `name:` before the real parse, because a name in the
// file wins over the directory but loses to the command line.
func namedInFile(sources []types.ConfigFile) bool {
	for _, source := range sources {
		var head struct {
			Name string `yaml:"name"`
		}
		// A file that cannot be read is reported by the real parser.
		if yaml.Unmarshal(source.Content, &head) == nil && head.Name != "" {
			return true
		}
	}
	return false
}
