package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// NetworkRecord is everything needed to put a container back on its networks.
// It is plain JSON, so that it can be written down before the container is
// taken off them.
type NetworkRecord struct {
	ContainerID string          `json:"container_id"`
	Endpoints   []SavedEndpoint `json:"endpoints"`
}

// SavedEndpoint is what a container was given in one network. Without the
// aliases the service's name would no longer resolve, and nobody would say so.
type SavedEndpoint struct {
	Network      string            `json:"network"`
	NetworkID    string            `json:"network_id"`
	Aliases      []string          `json:"aliases,omitempty"`
	Links        []string          `json:"links,omitempty"`
	IPv4Address  string            `json:"ipv4_address,omitempty"` // only when it was asked for
	IPv6Address  string            `json:"ipv6_address,omitempty"`
	LinkLocalIPs []string          `json:"link_local_ips,omitempty"`
	MacAddress   string            `json:"mac_address,omitempty"`
	DriverOpts   map[string]string `json:"driver_opts,omitempty"`
	GwPriority   int               `json:"gw_priority,omitempty"`
}

// SaveNetworks reads a container's networks without changing anything.
func (c *Client) SaveNetworks(ctx context.Context, id string) (NetworkRecord, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	inspect, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return NetworkRecord{}, c.wrap("inspect container "+shortID(id), err)
	}
	record := NetworkRecord{ContainerID: id}
	if inspect.ContainerJSONBase != nil {
		record.ContainerID = inspect.ID
	}
	if inspect.NetworkSettings == nil {
		return record, nil
	}
	for name, endpoint := range inspect.NetworkSettings.Networks {
		if endpoint != nil {
			record.Endpoints = append(record.Endpoints, savedEndpoint(name, record.ContainerID, endpoint))
		}
	}
	slices.SortFunc(record.Endpoints, func(a, b SavedEndpoint) int { return strings.Compare(a.Network, b.Network) })
	return record, nil
}

// Disconnect takes a container off all its networks. The record is valid even
// when an error is returned: some networks may be gone by then. To have a
// record on disk first, call [Client.SaveNetworks] before.
func (c *Client) Disconnect(ctx context.Context, id string) (NetworkRecord, error) {
	record, err := c.SaveNetworks(ctx, id)
	if err != nil {
		return record, err
	}
	for _, endpoint := range record.Endpoints {
		err := c.act(ctx, "disconnect", record.ContainerID, actTimeout, func(ctx context.Context) error {
			return c.api.NetworkDisconnect(ctx, endpoint.NetworkID, record.ContainerID, true)
		})
		if err != nil {
			return record, fmt.Errorf("network %s: %w", endpoint.Network, err)
		}
	}
	return record, nil
}

// Reconnect puts a container back on the networks of the record. Networks it
// is on already are left alone, so that it can be called again. It goes on
// after a failure and returns all of them.
func (c *Client) Reconnect(ctx context.Context, record NetworkRecord) error {
	now, err := c.SaveNetworks(ctx, record.ContainerID)
	if err != nil {
		return err
	}
	var failed error
	for _, endpoint := range record.Endpoints {
		if slices.ContainsFunc(now.Endpoints, func(e SavedEndpoint) bool { return e.NetworkID == endpoint.NetworkID }) {
			continue
		}
		err := c.act(ctx, "reconnect", record.ContainerID, actTimeout, func(ctx context.Context) error {
			return connectEndpoint(ctx, c.api, record.ContainerID, endpoint)
		})
		switch {
		case err == nil:
		case failed == nil:
			failed = fmt.Errorf("network %s: %w", endpoint.Network, err)
		default:
			failed = fmt.Errorf("%w; network %s: %w", failed, endpoint.Network, err)
		}
	}
	return failed
}

func connectEndpoint(ctx context.Context, api *client.Client, id string, saved SavedEndpoint) error {
	settings := &network.EndpointSettings{
		Aliases: saved.Aliases, Links: saved.Links, MacAddress: saved.MacAddress,
		DriverOpts: saved.DriverOpts, GwPriority: saved.GwPriority,
	}
	if saved.IPv4Address != "" || saved.IPv6Address != "" || len(saved.LinkLocalIPs) > 0 {
		settings.IPAMConfig = &network.EndpointIPAMConfig{
			IPv4Address: saved.IPv4Address, IPv6Address: saved.IPv6Address, LinkLocalIPs: saved.LinkLocalIPs,
		}
	}
	return api.NetworkConnect(ctx, saved.NetworkID, id, settings)
}

func savedEndpoint(name, containerID string, endpoint *network.EndpointSettings) SavedEndpoint {
	out := SavedEndpoint{
		Network: name, NetworkID: endpoint.NetworkID, Links: endpoint.Links,
		DriverOpts: endpoint.DriverOpts, GwPriority: endpoint.GwPriority,
	}
	for _, alias := range endpoint.Aliases {
		// Up to API 1.44 the engine adds the short ID, and will do so again.
		if !strings.HasPrefix(containerID, alias) || len(alias) != 12 {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	if endpoint.IPAMConfig != nil {
		out.IPv4Address = endpoint.IPAMConfig.IPv4Address
		out.IPv6Address = endpoint.IPAMConfig.IPv6Address
		out.LinkLocalIPs = endpoint.IPAMConfig.LinkLocalIPs
	}
	// Engines up to 27 derive the address from the IP address (02:42:…). Asking
	// for it again would pin it, and the next owner of that IP address would
	// then get the same one.
	if !strings.HasPrefix(endpoint.MacAddress, "02:42:") {
		out.MacAddress = endpoint.MacAddress
	}
	return out
}
