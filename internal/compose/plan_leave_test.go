package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const poolFile = `
name: demo
services:
  db: {image: app:1}
  blue: {image: app:1, environment: {RELEASE: "1"}, depends_on: {db: {condition: service_started, restart: true}}}
  green: {image: app:1, environment: {RELEASE: "1"}, scale: 2}
`

func leaveBlueAndGreen(service string) bool { return service == "blue" || service == "green" }

// causes are what the left containers would have needed.
func causes(plan *Plan) map[string]string {
	out := map[string]string{}
	for _, left := range plan.Left {
		out[left.Container] = left.Service + ": " + left.Cause
		if left.ID == "" {
			out[left.Container] += " (no ID)"
		}
	}
	return out
}

func TestPlanUp_LeavesTheContainersOfSomeServices(t *testing.T) {
	const changed = "configuration changed"
	tests := []struct {
		name   string
		file   string
		change func(seen *Observed)
		opts   UpOptions
		want   string
		left   map[string]string
	}{
		{name: "nothing to do", file: poolFile, left: map[string]string{}},
		{
			name: "configuration changed", file: strings.ReplaceAll(poolFile, `"1"`, `"2"`),
			left: map[string]string{"demo-blue-1": "blue: " + changed, "demo-green-1": "green: " + changed, "demo-green-2": "green: " + changed},
		},
		{
			name: "recreation is asked for", file: poolFile, opts: UpOptions{ForceRecreate: true},
			want: "recreate container demo-db-1: recreation is asked for\n",
			left: map[string]string{
				"demo-blue-1": "blue: recreation is asked for", "demo-green-1": "green: recreation is asked for",
				"demo-green-2": "green: recreation is asked for",
			},
		},
		{
			name: "more than the scale", file: strings.Replace(poolFile, "scale: 2", "scale: 1", 1),
			left: map[string]string{"demo-green-2": "green: more than scale 1"},
		},
		{
			name: "its dependency is recreated", file: strings.Replace(poolFile, "db: {image: app:1}", "db: {image: app:1, environment: {A: b}}", 1),
			want: "recreate container demo-db-1: configuration changed\n",
			left: map[string]string{"demo-blue-1": "blue: restarts with db"},
		},
		{
			name: "the image may move", file: strings.Replace(poolFile, "scale: 2", "pull_policy: always", 1),
			change: func(seen *Observed) { seen.Containers = seen.Containers[:3] },
			want:   "pull image app:1: pull_policy is always\nrecreate container demo-db-1: if its image is another one by then\n",
			left: map[string]string{
				"demo-blue-1":  "blue: if its image is another one by then",
				"demo-green-1": "green: if its image is another one by then",
			},
		},
		{
			name: "stopped and missing", file: strings.ReplaceAll(poolFile, `"1"`, `"2"`),
			change: func(seen *Observed) {
				seen.Containers[1].State = "exited" // blue
				seen.Containers = seen.Containers[:3]
			},
			want: `start container demo-blue-1: stopped
create container demo-green-2: missing
start container demo-green-2: created
`,
			left: map[string]string{"demo-blue-1": "blue: " + changed, "demo-green-1": "green: " + changed},
		},
		{
			name: "one that cannot be started", file: strings.ReplaceAll(poolFile, `"1"`, `"2"`),
			change: func(seen *Observed) {
				seen.Containers[1].State, seen.Containers[1].Networks = "exited", []string{"gone"}
			},
			left: map[string]string{"demo-blue-1": "blue: " + changed, "demo-green-1": "green: " + changed, "demo-green-2": "green: " + changed},
		},
		{
			name: "an orphan", file: strings.Replace(poolFile, "  green:", "  other:", 1),
			opts: UpOptions{RemoveOrphans: true},
			want: `create container demo-other-1: missing
start container demo-other-1: created
create container demo-other-2: missing
start container demo-other-2: created
`,
			left: map[string]string{"demo-green-1": "green: its service is not in the project", "demo-green-2": "green: its service is not in the project"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := loadText(t, poolFile)
			seen := settled(t, before)
			// By number of the list: db, blue, green 1, green 2.
			for i, name := range []string{"demo-db-1", "demo-blue-1", "demo-green-1", "demo-green-2"} {
				seen.Containers[i], *seen.container(t, name) = *seen.container(t, name), seen.Containers[i]
			}
			if tt.change != nil {
				tt.change(seen)
			}
			tt.opts.Leave = leaveBlueAndGreen
			plan := mustPlan(t, loadText(t, tt.file), seen, tt.opts)
			if diff := cmp.Diff(tt.want, plan.String()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.left, causes(plan)); diff != "" {
				t.Error(diff)
			}
			for _, op := range plan.Operations {
				if op.service == "blue" && op.Action == ActionStart && !op.asItIs && tt.left["demo-blue-1"] != "" {
					t.Error("the start of a left container puts new files into it")
				}
			}
		})
	}
}

// A pool that is left is not waited for either: the caller repairs it, by a deploy.
func TestPlanUp_DoesNotWaitForALeftContainer(t *testing.T) {
	seen := settled(t, loadText(t, poolFile))
	seen.container(t, "demo-blue-1").Health = "unhealthy"
	file := strings.ReplaceAll(poolFile, `"1"`, `"2"`)
	plan := mustPlan(t, loadText(t, file), seen, UpOptions{WaitHealthy: true, Leave: leaveBlueAndGreen})
	if !plan.Empty() {
		t.Errorf("the plan waits:\n%s", plan)
	}
}

func TestPlanUp_LiveVariablesOfTheCaller(t *testing.T) {
	file := strings.NewReplacer("ACTIVE_POOL: blue", "ACTIVE_POOL: green, NEW: n", "OTHER: x", "OTHER: y").Replace(planFile)
	seen := settled(t, loadText(t, planFile))
	seen.container(t, "demo-web-1").Env = map[string]string{"ACTIVE_POOL": "blue", "OTHER": "x", "PATH": "/"}
	live := func(service string) []string {
		if service == "web" {
			return []string{"OTHER", "NEW", "ACTIVE_POOL"}
		}
		return nil
	}
	plan := mustPlan(t, loadText(t, file), seen, UpOptions{Live: live})
	want := map[string]map[string]Drift{"web": {"ACTIVE_POOL": {"blue", "green"}, "OTHER": {"x", "y"}, "NEW": {"", "n"}}}
	if diff := cmp.Diff(want, plan.LiveDrift); diff != "" || !plan.Empty() {
		t.Errorf("%s\n%s", plan, diff)
	}
	if plan := mustPlan(t, loadText(t, file), seen, UpOptions{}); plan.Empty() {
		t.Error("without the caller's names the container is recreated")
	}
}

// A killed replacement leaves a container that runs where nobody reaches it. It goes also
// when its service is left to the caller, and never counts for the one that serves.
func TestPlanUp_RemovesWhatIsStaged(t *testing.T) {
	for state, want := range map[string]string{
		"running": `start container demo-blue-1: if the interrupted recreate has told it to stop
remove container 0123456789ab_demo-blue-1: left by an interrupted recreate
remove network demo_bgctl-staging: left by an interrupted replacement
`,
		"exited": `start container demo-blue-1: stopped
remove container 0123456789ab_demo-blue-1: left by an interrupted recreate
remove network demo_bgctl-staging: left by an interrupted replacement
`,
	} {
		t.Run(state, func(t *testing.T) {
			seen := settled(t, loadText(t, poolFile))
			staged := *seen.container(t, "demo-blue-1")
			staged.ID, staged.Name, staged.Staged, staged.Networks = "staged", "0123456789ab_demo-blue-1", true, []string{"aside"}
			seen.container(t, "demo-blue-1").State = state
			seen.Containers = append(seen.Containers, staged)
			seen.Staging = "aside"
			plan := mustPlan(t, loadText(t, poolFile), seen, UpOptions{Leave: leaveBlueAndGreen})
			sortLines := func(text string) []string {
				lines := strings.Split(text, "\n")
				slices.Sort(lines)
				return lines
			}
			if diff := cmp.Diff(sortLines(want), sortLines(plan.String())); diff != "" {
				t.Error(diff)
			}
			if len(plan.Left) != 0 {
				t.Errorf("left: got %v, want nothing", plan.Left)
			}
			last := plan.Operations[len(plan.Operations)-1]
			if last.Kind != KindNetwork || !slices.Contains(last.After, "remove container 0123456789ab_demo-blue-1") {
				t.Errorf("the network goes at %v after %v", last, last.After)
			}
		})
	}
}
