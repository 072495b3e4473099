package compose

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// downOf plans a removal and shows what goes, then what stays.
func downOf(t *testing.T, p *Project, seen *Observed, opts DownOptions) string {
	t.Helper()
	plan := planDown(p, seen, opts)
	checkOrder(t, plan)
	var out strings.Builder
	out.WriteString("\n" + plan.String())
	for _, kept := range plan.Kept {
		out.WriteString("keep " + kept + "\n")
	}
	return out.String()
}

func labelled(labels map[string]string, more ...string) map[string]string {
	out := maps.Clone(labels)
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func TestPlanDown_RemovesWhatTheFileDeclares(t *testing.T) {
	project := loadText(t, strings.Replace(planFile, "volumes: {data: }", `
    volumes: [safe:/safe]
    networks: [default, shared]
volumes: {data: , safe: {external: true, name: demo_safe}}
networks: {shared: {external: true, name: demo_shared}}`, 1))
	seen := settled(t, project)
	anonymous := strings.Repeat("0123456789abcdef", 4)
	db := seen.container(t, "demo-db-1")
	db.Mounts = append(db.Mounts, ObservedMount{Type: "volume", Name: anonymous, Target: "/cache"})
	seen.Containers = append(seen.Containers, ObservedContainer{ID: "x", Name: "demo-old-1", Service: "old"})
	ours := map[string]string{projectLabel: "demo"}
	seen.Volumes["demo_pgdata"] = ObservedVolume{Labels: labelled(ours, volumeLabel, "pgdata")}
	seen.Volumes["demo_safe"] = ObservedVolume{Labels: labelled(ours, volumeLabel, "safe")}
	seen.Networks["demo_old"] = ObservedNetwork{ID: "old", Labels: labelled(ours, networkLabel, "old")}
	seen.Networks["demo_shared"] = ObservedNetwork{ID: "shared", Labels: labelled(ours, networkLabel, "shared")}
	const kept = `keep network demo_old: no service of the file uses it
keep network demo_shared: the file says that it is external
`
	tests := []struct {
		name string
		opts DownOptions
		want string
	}{
		{"containers and networks", DownOptions{}, `
remove container demo-web-1: part of the project
remove container demo-db-1: part of the project
remove network demo_default: part of the project
keep container demo-old-1: its service old is not in the file
` + kept},
		{"volumes and orphans too", DownOptions{Volumes: true, RemoveOrphans: true}, `
remove container demo-web-1 with its volumes: part of the project
remove container demo-db-1 with its volumes: part of the project; its anonymous volumes at /cache go with it
remove container demo-old-1 with its volumes: part of the project
remove network demo_default: part of the project
remove volume demo_data: part of the project
` + kept + `keep volume demo_pgdata: no service of the file uses it
keep volume demo_safe: the file says that it is external
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, downOf(t, project, seen, tt.opts)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A volume that carries the declared name but not the project's label is somebody else's.
func TestPlanDown_LeavesAVolumeWithoutTheLabel(t *testing.T) {
	project := loadText(t, "name: demo\nservices: {web: {image: app:1, volumes: [data:/data]}}\nvolumes: {data: }")
	for name, labels := range map[string]map[string]string{
		"by hand": nil, "another project": {projectLabel: "other", volumeLabel: "data"},
		"another key": {projectLabel: "demo", volumeLabel: "else"},
	} {
		seen := settled(t, project)
		seen.Volumes["demo_data"] = ObservedVolume{Labels: labels}
		if got := downOf(t, project, seen, DownOptions{Volumes: true}); strings.Contains(got, "remove volume") || !strings.Contains(got, "keep volume demo_data") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A volume that an orphan uses stays with the orphan.
func TestPlanDown_LeavesWhatAKeptContainerUses(t *testing.T) {
	project := loadText(t, planFile)
	seen := settled(t, project)
	seen.Containers = append(seen.Containers, ObservedContainer{
		ID: "x", Name: "demo-old-1", Service: "old", Networks: []string{"id-demo_default"},
		Mounts: []ObservedMount{{Type: "volume", Name: "demo_data", Target: "/data"}},
	})
	got := downOf(t, project, seen, DownOptions{Volumes: true})
	for _, want := range []string{
		"keep network demo_default: container demo-old-1 uses it and stays\n",
		"keep volume demo_data: container demo-old-1 uses it and stays\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// embeddedText loads a project as the one that is part of the program.
func embeddedText(t *testing.T, content string) *Project {
	t.Helper()
	project, err := Load(t.Context(), LoadOptions{
		WorkingDir: t.TempDir(), Embedded: &Embedded{Name: "compose.yaml", Content: []byte(content)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// A folder without a file gets the embedded project, under the folder's name, which may be
// the name of a project that somebody runs for real.
func TestPlanDown_EmbeddedProjectLeavesAForeignProjectOfThatName(t *testing.T) {
	embedded := embeddedText(t, planFile)
	foreign := settled(t, loadText(t, planFile)) // even with the same services and volumes
	want := map[string]int{"container": 2, "network": 1, "volume": 1}
	opts := DownOptions{Volumes: true, RemoveOrphans: true}
	plan := planDown(embedded, foreign, opts)
	if !plan.Empty() {
		t.Errorf("foreign things are removed:\n%s", plan)
	}
	for _, kept := range plan.Kept {
		kind, _, _ := strings.Cut(kept, " ")
		want[kind]--
		if !strings.Contains(kept, "it was not made for the built-in stack") {
			t.Errorf("no reason: %s", kept)
		}
		if kind == "container" && !strings.Contains(kept, "/compose.yaml") {
			t.Errorf("the foreign file is not named: %s", kept)
		}
	}
	for kind, missing := range want {
		if missing != 0 {
			t.Errorf("%d of %s are not accounted for: %q", missing, kind, plan.Kept)
		}
	}
	up, err := PlanUp(embedded, &Observed{
		APIVersion: "1.41", Images: foreign.Images,
		Containers: []ObservedContainer{{ID: "f", Name: "demo-shop-1", Service: "shop", Labels: map[string]string{configFilesLabel: "/srv/compose.yaml"}}},
	}, UpOptions{RemoveOrphans: true})
	if err != nil || strings.Contains(up.String(), "demo-shop-1") || len(up.Kept) != 1 {
		t.Errorf("up --remove-orphans: %v, kept %q\n%s", err, up.Kept, up)
	}
}

func TestPlanDown_EmbeddedProjectRemovesItsOwn(t *testing.T) {
	embedded := embeddedText(t, planFile)
	const all = `
remove container demo-web-1 with its volumes: part of the project
remove container demo-db-1 with its volumes: part of the project
remove network demo_default: part of the project
remove volume demo_data: part of the project
`
	seen := settled(t, embedded)
	// Older releases put no label of their own on networks and volumes, nor on containers.
	for i := range seen.Containers {
		labels := maps.Clone(seen.Containers[i].Labels)
		delete(labels, stackLabel)
		delete(labels, embeddedLabel)
		seen.Containers[i].Labels = labels
	}
	opts := DownOptions{Volumes: true}
	if diff := cmp.Diff(all, downOf(t, embedded, seen, opts)); diff != "" {
		t.Errorf("of an older release:\n%s", diff)
	}
	// What carries our label goes even when no container is left.
	seen.Containers = nil
	own := embedded.ownLabels()
	seen.Volumes["demo_data"] = ObservedVolume{Labels: labelled(own, projectLabel, "demo", volumeLabel, "data")}
	seen.Networks["demo_default"] = ObservedNetwork{ID: "n", Labels: labelled(own, projectLabel, "demo", networkLabel, "default")}
	if got := downOf(t, embedded, seen, opts); !strings.Contains(got, "remove volume demo_data") || !strings.Contains(got, "remove network demo_default") {
		t.Errorf("with our label: %s", got)
	}
}

func TestPlanDown_ByNameAloneRemovesOnlyWhatBgctlMade(t *testing.T) {
	project := loadText(t, planFile)
	seen := settled(t, project)
	seen.container(t, "demo-db-1").Labels = map[string]string{projectLabel: "demo", serviceLabel: "db", configFilesLabel: "/srv/compose.yaml"}
	own := labelled(project.ownLabels(), projectLabel, "demo")
	seen.Volumes["demo_data"] = ObservedVolume{Labels: own}
	seen.Volumes["demo_pgdata"] = ObservedVolume{Labels: map[string]string{projectLabel: "demo"}}
	want := `
remove container demo-web-1 with its volumes: part of the project
remove volume demo_data: part of the project
keep container demo-db-1: it was not made for this project by bgctl, but from /srv/compose.yaml
keep network demo_default: it was not made for this project by bgctl
keep volume demo_pgdata: it was not made for this project by bgctl
`
	seen.container(t, "demo-db-1").Mounts = nil
	if diff := cmp.Diff(want, downOf(t, NamedProject("demo"), seen, DownOptions{Volumes: true})); diff != "" {
		t.Error(diff)
	}
}

func TestOwnLabels_AreOnEveryContainerAndNotInTheHash(t *testing.T) {
	for project, wantEmbedded := range map[*Project]string{loadText(t, planFile): "", embeddedText(t, planFile): "true"} {
		labels, err := blueprint{project: project, service: project.Services["web"], number: 1}.labels()
		hash, hashErr := ServiceHash(project.Services["web"])
		if err != nil || hashErr != nil {
			t.Fatal(err, hashErr)
		}
		if labels[stackLabel] != "demo" || labels[embeddedLabel] != wantEmbedded || labels[hashLabel] != hash {
			t.Errorf("labels %v", labels)
		}
	}
}
