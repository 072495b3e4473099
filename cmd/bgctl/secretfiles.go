package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/slack"
)

// watcherUID is the user of the bgctl image.
const watcherUID = 65532

// bringSecrets checks the files with secrets that `up` works with, and has those of the
// watcher brought into its container. It changes nothing and fails before anything is.
func (a *app) bringSecrets(p *compose.Project) error {
	if err := a.checkEnvModes(p); err != nil {
		return err
	}
	for _, name := range p.ServiceNames() {
		if deployment.ServiceRole(name, p.Services[name].Labels[deployment.RoleLabel]) != bluegreen.RoleWatcher {
			continue
		}
		for _, file := range p.SecretFiles(name) {
			if err := a.bringSecret(p, name, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// bringSecret reads a webhook's file on this machine. A secret that is no webhook is
// left to the compose file.
func (a *app) bringSecret(p *compose.Project, service string, file compose.SecretFile) error {
	variable := strings.ToUpper(file.Source) + "_FILE"
	if variable != "SLACK_WEBHOOK_URL_FILE" && variable != "ALERT_WEBHOOK_URL_FILE" {
		return nil
	}
	content := ""
	if file.File != os.DevNull {
		loaded, err := slack.LoadSecret("", file.File, webhookSchemes(p, service))
		if err != nil {
			return usagef("%s: %w", variable, err)
		}
		for _, w := range loaded.Warnings {
			fmt.Fprintln(a.err, "warning:", clean(w))
		}
		text, err := os.ReadFile(file.File)
		if err != nil {
			return usagef("%s: %w", variable, err)
		}
		content = strings.TrimSpace(string(text)) + "\n"
	}
	p.Deliver(service, file, content, watcherOwner(p, service))
	return nil
}

// webhookSchemes are what the watcher itself will accept.
func webhookSchemes(p *compose.Project, service string) slack.Schemes {
	if v := p.Services[service].Environment["SLACK_ALLOW_HTTP"]; v != nil {
		if plain, err := strconv.ParseBool(*v); err == nil && plain {
			return slack.AllowHTTP
		}
	}
	return slack.HTTPSOnly
}

// watcherOwner is the user that the watcher runs as: the image's, unless the file says
// another by number.
func watcherOwner(p *compose.Project, service string) compose.Owner {
	owner := compose.Owner{UID: watcherUID, GID: watcherUID}
	user, group, both := strings.Cut(p.Services[service].User, ":")
	if uid, err := strconv.Atoi(user); err == nil {
		owner = compose.Owner{UID: uid, GID: uid}
	}
	if gid, err := strconv.Atoi(group); both && err == nil {
		owner.GID = gid
	}
	return owner
}
