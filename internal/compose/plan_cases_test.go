package compose

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkOrder asserts that the list of steps is itself a legal order.
func checkOrder(t *testing.T, plan *Plan) {
	t.Helper()
	done := map[string]bool{}
	for _, op := range plan.Operations {
		for _, id := range op.After {
			if !done[id] {
				t.Errorf("%s comes before %s", op.ID(), id)
			}
		}
		done[op.ID()] = true
	}
}

func TestPlanUp_DependsOnChain(t *testing.T) {
	project := loadText(t, `
name: chain
services:
  init: {image: app:1}
  a: {image: app:1, depends_on: {init: {condition: service_completed_successfully}}}
  b: {image: app:1, depends_on: [a]}
  c: {image: app:1, depends_on: {b: {condition: service_healthy, required: false}}, scale: 2}
`)
	seen := settled(t, project)
	fresh := &Observed{APIVersion: "1.41", Images: seen.Images, Networks: seen.Networks}
	plan, err := PlanUp(project, fresh, UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkOrder(t, plan)
	after := map[string][]string{}
	for _, op := range plan.Operations {
		if op.Action == ActionStart || op.Action == ActionWait {
			after[op.ID()] = op.After
		}
	}
	want := map[string][]string{
		"start container chain-init-1":                       {"create container chain-init-1"},
		"wait container chain-init-1 completed_successfully": {"start container chain-init-1"},
		"start container chain-a-1": {
			"create container chain-a-1", "start container chain-init-1",
			"wait container chain-init-1 completed_successfully",
		},
		"start container chain-b-1":        {"create container chain-b-1", "start container chain-a-1"},
		"wait container chain-b-1 healthy": {"start container chain-b-1"},
		"start container chain-c-1": {
			"create container chain-c-1", "start container chain-b-1", "wait container chain-b-1 healthy",
		},
		"start container chain-c-2": {
			"create container chain-c-2", "start container chain-b-1", "wait container chain-b-1 healthy",
		},
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}

	// The work of init is done: a second up must not do it again.
	seen.container(t, "chain-init-1").State = "exited"
	seen.container(t, "chain-init-1").ExitedWell = true
	plan, err = PlanUp(project, seen, UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Empty() {
		t.Errorf("second up is not empty:\n%s", plan)
	}
}

func TestPlanUp_Scale(t *testing.T) {
	three := loadText(t, "name: s\nservices: {web: {image: app:1, scale: 3}}")
	seen := settled(t, three)
	two := loadText(t, "name: s\nservices: {web: {image: app:1, scale: 2}}")
	plan, err := PlanUp(two, seen, UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("remove container s-web-3: more than scale 2\n", plan.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPlanUp_RefusesWhatItWouldDestroy(t *testing.T) {
	project := loadText(t, "name: n\nservices: {web: {image: app:1}}")
	tests := map[string]map[string]string{
		"is not network":        {networkLabel: "other"},
		"another configuration": {networkLabel: "default", hashLabel: "differs"},
	}
	for want, labels := range tests {
		seen := settled(t, project)
		seen.Networks = map[string]ObservedNetwork{"n_default": {ID: "1", Labels: labels}}
		_, err := PlanUp(project, seen, UpOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("labels %v: error %v, want one with %q", labels, err, want)
		}
	}
}

func TestPlanUp_StartIntervalNeedsANewerEngine(t *testing.T) {
	project := loadText(t, `
name: n
services: {web: {image: app:1, healthcheck: {test: [CMD, a], start_period: 5s, start_interval: 1s}}}`)
	seen := settled(t, project)
	if _, err := PlanUp(project, seen, UpOptions{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("API 1.41: %v", err)
	}
	seen.APIVersion = "1.44"
	if _, err := PlanUp(project, seen, UpOptions{}); err != nil {
		t.Errorf("API 1.44: %v", err)
	}
}

func TestPlanUp_RecreatesForChangedFiles(t *testing.T) {
	const file = "name: f\nservices: {web: {image: app:1, configs: [c]}}\nconfigs: {c: {content: one}}"
	seen := settled(t, loadText(t, file))
	plan, err := PlanUp(loadText(t, strings.Replace(file, "one", "two", 1)), seen, UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "recreate container f-web-1: contents of configs or secrets changed\n"
	if diff := cmp.Diff(want, plan.String()); diff != "" {
		t.Error(diff)
	}
	// docker compose leaves no such label: its containers are not touched.
	labels := maps.Clone(seen.Containers[0].Labels)
	delete(labels, filesHashLabel)
	seen.Containers[0].Labels = labels
	if plan, _ = PlanUp(loadText(t, file), seen, UpOptions{}); !plan.Empty() {
		t.Errorf("container of docker compose:\n%s", plan)
	}
}
