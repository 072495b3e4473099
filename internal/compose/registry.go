package compose

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/registry"
)

// dockerHub is the key of Docker's own registry in the client's configuration.
const dockerHub = "https://index.docker.io/v1/"

// RegistryAuth returns the credentials that `docker login` has stored in a client's
// configuration directory for an image's registry, as the engine wants them; ""
// when there are none. They may come out of a credential helper.
func RegistryAuth(configDir, ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	host := reference.Domain(named)
	if host == "docker.io" {
		host = dockerHub
	}
	file, err := config.Load(configDir)
	if err != nil {
		return "", fmt.Errorf("read %s/config.json: %w", configDir, err)
	}
	auth, err := file.GetAuthConfig(host)
	if err != nil {
		// The helper's text may be of several lines, and have the login in it.
		line, _, _ := strings.Cut(maskText(err.Error(), func(string) {}), "\n")
		return "", fmt.Errorf("ask for the login of %s: %s", host, line)
	}
	if auth.Username == "" && auth.IdentityToken == "" && auth.RegistryToken == "" {
		return "", nil
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, Auth: auth.Auth, ServerAddress: auth.ServerAddress,
		IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
	})
}
