package deployment

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
)

func TestServiceRole(t *testing.T) {
	for _, tt := range []struct {
		service, label string
		want           bluegreen.Role
	}{
		{"nginx", "", bluegreen.RoleProxy},
		{"app_blue", "", bluegreen.RoleBlue},
		{"app_green", "", bluegreen.RoleGreen},
		{"alert_watcher", "", bluegreen.RoleWatcher},
		{"db", "", ""},
		{"edge", "proxy", bluegreen.RoleProxy},
		{"app_blue", "green", bluegreen.RoleGreen},
		{"app_blue", "nonsense", bluegreen.RoleBlue},
	} {
		if got := ServiceRole(tt.service, tt.label); got != tt.want {
			t.Errorf("ServiceRole(%q, %q) = %q, want %q", tt.service, tt.label, got, tt.want)
		}
	}
}

func TestTranslate(t *testing.T) {
	in := compose.Container{
		ID: "c1", Name: "shop-app_blue-1", Service: "app_blue", Image: "shop:1", State: "running", Health: "healthy",
		Env:      map[string]string{"RELEASE_ID": "v1"},
		Labels:   map[string]string{"org.opencontainers.image.version": "ignored"},
		Networks: map[string]compose.NetworkInfo{"b": {IP: "10.0.0.9"}, "a": {IP: "10.0.0.2"}, "c": {}},
		Ports:    []compose.Port{{ContainerPort: 9}, {HostIP: "127.0.0.1", HostPort: 8081, ContainerPort: 3000}},
	}
	want := bluegreen.Container{
		ID: "c1", Name: "shop-app_blue-1", Service: "app_blue", Role: bluegreen.RoleBlue, Image: "shop:1",
		Release: "v1", State: "running", Health: "healthy",
		Addrs: []string{"10.0.0.2", "10.0.0.9"}, Published: "127.0.0.1:8081",
	}
	if diff := cmp.Diff(want, translate(&in)); diff != "" {
		t.Error(diff)
	}
}

func TestPlace_PutsEveryContainerSomewhere(t *testing.T) {
	var d bluegreen.Deployment
	for _, role := range []bluegreen.Role{
		bluegreen.RoleProxy, bluegreen.RoleBlue, bluegreen.RoleBlue, bluegreen.RoleGreen, bluegreen.RoleWatcher, "",
	} {
		place(&d, bluegreen.Container{Role: role})
	}
	if d.Proxy == nil || d.Watcher == nil || len(d.Blue.Containers) != 2 || len(d.Green.Containers) != 1 || len(d.Others) != 1 {
		t.Errorf("%+v", d)
	}
}
