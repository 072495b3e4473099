package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustPlan(t *testing.T, p *Project, seen *Observed, opts UpOptions) *Plan {
	t.Helper()
	plan, err := PlanUp(p, seen, opts)
	if err != nil {
		t.Fatal(err)
	}
	checkOrder(t, plan)
	return plan
}

// after returns what a step waits for, directly or not.
func (p *Plan) after(t *testing.T, id string) []string {
	t.Helper()
	var all []string
	var visit func(id string)
	visit = func(id string) {
		i := slices.IndexFunc(p.Operations, func(op Operation) bool { return op.ID() == id })
		if i < 0 {
			t.Fatalf("no step %q in\n%s", id, p)
		}
		for _, before := range p.Operations[i].After {
			if !slices.Contains(all, before) {
				all = append(all, before)
				visit(before)
			}
		}
	}
	visit(id)
	return all
}

func (p *Plan) mustComeAfter(t *testing.T, id string, before ...string) {
	t.Helper()
	all := p.after(t, id)
	for _, want := range before {
		if !slices.Contains(all, want) {
			t.Errorf("%q does not wait for %q, only for %q", id, want, all)
		}
	}
}

func TestPlanUp_RecreateWaitsForTheRemovalOfALeftover(t *testing.T) {
	seen := settled(t, loadText(t, planFile))
	left := *seen.container(t, "demo-web-1")
	left.ID, left.Name, left.State = "new", temporaryName(left.ID, "demo-web-1"), "created"
	seen.Containers = append(seen.Containers, left)
	plan := mustPlan(t, loadText(t, strings.Replace(planFile, "OTHER: x", "OTHER: y", 1)), seen, UpOptions{})
	plan.mustComeAfter(t, "recreate container demo-web-1", "remove container "+left.Name)
}

// A replacement that was cut off between its renames leaves the old container running under
// a temporary name, and the new one, not started, under the proper name.
func TestPlanUp_WhatRunsCountsAfterAnInterruptedReplacement(t *testing.T) {
	for _, leave := range []func(string) bool{nil, func(string) bool { return true }} {
		seen := settled(t, loadText(t, planFile))
		old := seen.container(t, "demo-web-1")
		fresh := *old
		fresh.ID, fresh.State = "fedcba987654rest", "created"
		old.Name = temporaryName(fresh.ID, "demo-web-1")
		seen.Containers = append(seen.Containers, fresh)
		plan := mustPlan(t, loadText(t, planFile), seen, UpOptions{Leave: leave})
		want := `remove container demo-web-1: left by an interrupted recreate
rename container demo-web-1: left by an interrupted recreate
start container demo-web-1: if the interrupted recreate has told it to stop
`
		if diff := cmp.Diff(want, plan.String()); diff != "" || len(plan.Left) != 0 {
			t.Errorf("left %v\n%s", plan.Left, diff)
		}
		if plan.Operations[0].containerID != fresh.ID || plan.Operations[1].containerID != old.ID {
			t.Errorf("the wrong container is removed:\n%+v", plan.Operations)
		}
		plan.mustComeAfter(t, "rename container demo-web-1", "remove container demo-web-1")
	}
}

func TestPlanUp_ImagesComeBeforeAnyContainer(t *testing.T) {
	const file = `
name: demo
services:
  web: {image: app:1, environment: {A: "1"}}
  stopped: {image: app:1}
  big: {image: app:1, scale: 2}
  worker: {image: worker:2, pull_policy: always, environment: {A: "1"}}
  built: {build: ./x}
`
	seen := settled(t, loadText(t, strings.ReplaceAll(strings.Replace(file, "scale: 2", "scale: 3", 1), `A: "1"`, `A: "0"`)))
	seen.container(t, "demo-stopped-1").State = "exited"
	delete(seen.Images, "demo-built")
	seen.Containers = append(seen.Containers, ObservedContainer{ID: "o", Name: "demo-orphan-1", Service: "orphan", State: "running"})
	plan := mustPlan(t, loadText(t, file), seen, UpOptions{RemoveOrphans: true})
	images := []string{"build image demo-built", "pull image worker:2"}
	count := map[Action]int{}
	for _, op := range plan.Operations {
		if op.Kind == KindContainer {
			count[op.Action]++
			plan.mustComeAfter(t, op.ID(), images...)
		}
	}
	if count[ActionRecreate] != 3 || count[ActionRemove] != 2 || count[ActionStart] != 1 {
		t.Errorf("the plan is not the one to test: %v\n%s", count, plan)
	}
}

func TestPlanUp_OrphansGoBeforeWhatMayWantTheirPort(t *testing.T) {
	project := loadText(t, `
name: demo
services:
  shop: {image: app:1, ports: ["80:80"], container_name: demo-web-1}
  kept: {image: app:1, environment: {A: "1"}}
  fresh: {image: app:1}
  stopped: {image: app:1}
`)
	seen := settled(t, loadText(t, "name: demo\nservices: {web: {image: app:1, ports: ['80:80']}, kept: {image: app:1}, stopped: {image: app:1}}"))
	seen.container(t, "demo-stopped-1").State = "exited"
	const orphan = "remove container demo-web-1"
	plan := mustPlan(t, project, seen, UpOptions{RemoveOrphans: true})
	for _, id := range []string{
		"create container demo-web-1", "start container demo-web-1", "recreate container demo-kept-1",
		"start container demo-fresh-1", "start container demo-stopped-1",
	} {
		plan.mustComeAfter(t, id, orphan)
	}
}

const jobFile = `
name: demo
services:
  migrate: {image: app:1}
  web: {image: app:1, depends_on: {migrate: {condition: service_completed_successfully}}}
  bucket: {image: app:1}
`

func TestPlanUp_WaitsForAJobThatOnlyRunningServicesDependOn(t *testing.T) {
	project := loadText(t, jobFile)
	const wait = "wait container demo-migrate-1 completed_successfully"
	seen := settled(t, project)
	job := seen.container(t, "demo-migrate-1")
	job.State = "exited" // with another code than 0
	for _, opts := range []UpOptions{{}, {WaitHealthy: true}} {
		mustPlan(t, project, seen, opts).mustComeAfter(t, wait, "start container demo-migrate-1")
	}
	job.State = "running"
	mustPlan(t, project, seen, UpOptions{WaitHealthy: true}).mustComeAfter(t, wait)
	job.State, job.ExitedWell = "exited", true
	if plan := mustPlan(t, project, seen, UpOptions{WaitHealthy: true}); !plan.Empty() {
		t.Errorf("the job has done its work:\n%s", plan)
	}
}

func TestPlanUp_JudgesAfterEverythingIsStarted(t *testing.T) {
	project := loadText(t, jobFile)
	plan := mustPlan(t, project, &Observed{APIVersion: "1.41", Images: settled(t, project).Images}, UpOptions{WaitHealthy: true})
	plan.mustComeAfter(t, "wait container demo-bucket-1 running_or_healthy", "start container demo-web-1", "start container demo-bucket-1")
}

func TestPlanUp_WarnsOfAVolumeThatIsNotTheFiles(t *testing.T) {
	const file = "name: demo\nservices: {web: {image: app:1, volumes: [data:/data]}}\nvolumes: {data: {driver_opts: {size: \"1\"}}}"
	project := loadText(t, file)
	hash, err := volumeHash(project.Volumes["data"])
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]string{projectLabel: "demo", volumeLabel: "data"}
	tests := []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"as the file says", labelled(ours, hashLabel, hash), ""},
		{"an older docker compose leaves no hash", ours, ""},
		{"other options", labelled(ours, hashLabel, "other"), "volume demo_data exists with another configuration"},
		{"another project", labelled(ours, projectLabel, "shop"), "volume demo_data belongs to project shop"},
		{"by hand", nil, "volume demo_data was not made for this project"},
		{"another volume of this project", labelled(ours, volumeLabel, "old"), `volume demo_data is volume "old" of this project`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := settled(t, project)
			seen.Volumes["demo_data"] = ObservedVolume{Labels: tt.labels}
			plan := mustPlan(t, project, seen, UpOptions{})
			if !plan.Empty() || plan.String() != "" {
				t.Errorf("a warning is no step:\n%s", plan)
			}
			if got := strings.Join(plan.Warnings, "\n"); (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
	external := loadText(t, strings.Replace(file, "driver_opts: {size: \"1\"}", "external: true, name: demo_data", 1))
	seen := settled(t, external)
	seen.Volumes["demo_data"] = ObservedVolume{}
	if plan := mustPlan(t, external, seen, UpOptions{}); len(plan.Warnings) != 0 {
		t.Errorf("an external volume is what the file says: %q", plan.Warnings)
	}
}
