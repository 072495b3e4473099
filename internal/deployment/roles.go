package deployment

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
)

// role returns the role of a container, "" for one that is none of ours.
func role(c *compose.Container) bluegreen.Role {
	return ServiceRole(c.Service, c.Labels[RoleLabel])
}

// ServiceRole returns the role that a service has by its label or its name.
func ServiceRole(service, label string) bluegreen.Role {
	switch r := bluegreen.Role(label); r {
	case bluegreen.RoleProxy, bluegreen.RoleBlue, bluegreen.RoleGreen, bluegreen.RoleWatcher:
		return r
	}
	switch service {
	case "nginx":
		return bluegreen.RoleProxy
	case "app_blue":
		return bluegreen.RoleBlue
	case "app_green":
		return bluegreen.RoleGreen
	case "alert_watcher":
		return bluegreen.RoleWatcher
	}
	return ""
}

// translate turns an engine's container into the domain's.
func translate(c *compose.Container) bluegreen.Container {
	out := bluegreen.Container{
		ID: c.ID, Name: c.Name, Service: c.Service, Role: role(c), Image: c.Image, ImageID: c.ImageID,
		Release:   cmp.Or(c.Env["RELEASE_ID"], c.Labels["org.opencontainers.image.version"]),
		State:     c.State,
		Health:    c.Health,
		HealthLog: c.HealthOutput, ExitCode: c.ExitCode, Restarts: c.RestartCount,
		OOMKilled: c.OOMKilled, StartedAt: c.StartedAt,
	}
	for _, n := range c.Networks {
		if n.IP != "" {
			out.Addrs = append(out.Addrs, n.IP)
		}
	}
	slices.Sort(out.Addrs)
	for _, port := range c.Ports {
		if port.HostPort != 0 && out.Published == "" {
			out.Published = net.JoinHostPort(port.HostIP, strconv.Itoa(port.HostPort))
		}
	}
	return out
}

// place puts a container where its role belongs.
func place(d *bluegreen.Deployment, c bluegreen.Container) {
	switch c.Role {
	case bluegreen.RoleProxy:
		// Two are there while one is replaced: the one that runs has the requests.
		if d.Proxy == nil || d.Proxy.State != "running" {
			d.Proxy = &c
		}
	case bluegreen.RoleWatcher:
		d.Watcher = &c
	case bluegreen.RoleBlue:
		d.Blue.Containers = append(d.Blue.Containers, c)
	case bluegreen.RoleGreen:
		d.Green.Containers = append(d.Green.Containers, c)
	default:
		d.Others = append(d.Others, c)
	}
}
