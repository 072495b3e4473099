// Package stack holds the deployment that bgctl brings up when a directory has no
// compose file of its own: the compose file, the proxy's image and its nginx
// configuration. `docker compose up -d` works on the same files.
package stack

import (
	"embed"
	"io/fs"
)

// Compose is compose.yaml.
//
//go:embed compose.yaml
var Compose []byte

// Demo is demo.yaml, an override that adds a stand-in for Slack.
//
//go:embed demo.yaml
var Demo []byte

// DemoService is the service that Demo adds.
const DemoService = "slack_standin"

// NginxTemplate is the text/template of nginx.conf.
//
//go:embed nginx/nginx.conf.tmpl
var NginxTemplate string

// EnvExample is .env.example.
//
//go:embed .env.example
var EnvExample []byte

//go:embed proxy
var contexts embed.FS

// ProxyContext is the build context of the proxy's image.
func ProxyContext() (fs.FS, error) { return fs.Sub(contexts, "proxy") }
