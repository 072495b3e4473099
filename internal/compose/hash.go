package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/compose-spec/compose-go/v2/types"
)

// ServiceHash is docker compose's config hash of a service: the sha256 of its
// JSON without what does not shape the container. A container whose label holds
// the same value is left alone by docker compose, and by bgctl.
func ServiceHash(service types.ServiceConfig) (string, error) {
	service.Build = nil
	service.PullPolicy = ""
	service.Scale = nil
	if service.Deploy != nil {
		// The pointer is shared with the project: docker compose clears it in place.
		deploy := *service.Deploy
		deploy.Replicas = nil
		service.Deploy = &deploy
	}
	service.DependsOn = nil
	service.Profiles = nil
	return hashJSON(service)
}

// hashWithEnv is the hash the service would have with some variables set otherwise.
// A key that maps to nil is removed.
func hashWithEnv(service types.ServiceConfig, values map[string]*string) (string, error) {
	env := maps.Clone(service.Environment)
	if env == nil {
		env = types.MappingWithEquals{}
	}
	for key, value := range values {
		if value == nil {
			delete(env, key)
			continue
		}
		env[key] = value
	}
	service.Environment = env
	return ServiceHash(service)
}

// networkHash is docker compose's config hash of a network; its own labels are not in it.
func networkHash(network types.NetworkConfig) (string, error) { return hashJSON(network) }

// volumeHash is docker compose's config hash of a volume.
func volumeHash(volume types.VolumeConfig) (string, error) {
	if volume.Driver == "" {
		volume.Driver = "local"
	}
	return hashJSON(volume)
}

func hashJSON(value any) (string, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("hash the configuration: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
