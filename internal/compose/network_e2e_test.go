//go:build e2e

package compose

import (
	"encoding/json"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
)

func TestE2E_NetworkDisconnectAndReconnect(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	created, err := s.api.NetworkCreate(ctx, s.project, network.CreateOptions{
		Labels: map[string]string{projectLabel: s.project},
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.213.77.0/24"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	app := s.run("app", func(_ *container.Config, host *container.HostConfig) { host.NetworkMode = "none" })
	if err := s.api.NetworkDisconnect(ctx, "none", app.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := s.api.NetworkConnect(ctx, created.ID, app.ID, &network.EndpointSettings{
		Aliases: []string{"app", "web"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.213.77.9"},
	}); err != nil {
		t.Fatal(err)
	}
	before := s.look(app.ID).Networks
	saved, err := s.Disconnect(ctx, app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if now := s.look(app.ID).Networks; len(now) != 0 {
		t.Errorf("still on %v", now)
	}
	text, _ := json.Marshal(saved)
	var read NetworkRecord
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time finds nothing to do
		if err := s.Reconnect(ctx, read); err != nil {
			t.Fatal(err)
		}
	}
	after := s.look(app.ID).Networks
	if diff := cmp.Diff(before, after); diff != "" || after[s.project].IP != "10.213.77.9" {
		t.Errorf("networks before and after:\n%s%+v", diff, after)
	}
}
