//go:build e2e

package compose

import (
	"testing"
	"time"
)

const onePool = `
services:
  web:
    image: IMAGE
    environment: {RELEASE: v1}
    labels: {of: "${LABEL:-before}"}
    ports: ["127.0.0.1::8080"]
`

// What was replaced is set aside as it was, and comes back as it was, whatever of the
// replacement had been done: the file may say something else by then.
func TestE2E_ReplaceServiceAndPutBack(t *testing.T) {
	v2 := "v2"
	opts := ServiceOptions{Env: map[string]*string{"RELEASE": &v2}}
	for name, undo := range map[string]func(*upStage, string){
		"after all of it": func(*upStage, string) {},
		"the new one was never started": func(s *upStage, proper string) {
			if err := s.c.Stop(s.t.Context(), proper, time.Second); err != nil {
				s.t.Error(err)
			}
		},
		"the new one had not got its name yet": func(s *upStage, proper string) {
			old, err := s.c.Container(s.t.Context(), proper+asideSuffix)
			if err != nil {
				s.t.Fatal(err)
			}
			if err := s.c.rename(s.t.Context(), proper, temporaryName(old.ID, proper)); err != nil {
				s.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newUpStage(t)
			project := s.load(onePool)
			s.mustUp(project, UpOptions{WaitHealthy: true})
			before := s.inspect("web")
			proper := before.Name[1:]

			s.environ = []string{"LABEL=now"}
			changed := s.load(onePool)
			if err := s.c.ReplaceService(t.Context(), changed, "web", opts, nil); err != nil {
				t.Fatal(err)
			}
			after, err := s.c.Container(t.Context(), proper)
			if err != nil || after.ID == before.ID || after.Env["RELEASE"] != "v2" || after.Labels["of"] != "now" || after.State != "running" {
				t.Fatalf("replaced by %+v, %v", after, err)
			}
			aside, err := s.c.Container(t.Context(), proper+asideSuffix)
			if err != nil || aside.ID != before.ID || aside.State != "exited" || !IsAside(aside.Name) {
				t.Fatalf("set aside: %+v, %v", aside, err)
			}
			if plan := s.plan(changed, UpOptions{}); plan.has("remove container " + proper + asideSuffix) {
				t.Errorf("a plan removes what was set aside:\n%s", plan)
			}
			undo(s, proper)
			if put, err := s.c.PutBack(t.Context(), changed, "web"); err != nil || !put {
				t.Fatalf("put back: %t, %v", put, err)
			}
			back, err := s.c.Container(t.Context(), proper)
			if err != nil || back.ID != before.ID || back.Env["RELEASE"] != "v1" || back.Labels["of"] != "before" || back.State != "running" {
				t.Errorf("came back as %+v, %v", back, err)
			}
			if all, err := s.c.Containers(t.Context(), s.name); err != nil || len(all) != 1 {
				t.Errorf("left: %d containers, %v", len(all), err)
			}
			if put, err := s.c.PutBack(t.Context(), changed, "web"); err != nil || put {
				t.Errorf("put back twice: %t, %v", put, err)
			}
		})
	}
}

// What was set aside is gone when it is no longer wanted.
func TestE2E_DropAside(t *testing.T) {
	s := newUpStage(t)
	project := s.load(onePool)
	s.mustUp(project, UpOptions{WaitHealthy: true})
	if err := s.c.ReplaceService(t.Context(), project, "web", ServiceOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.c.DropAside(t.Context(), project, "web"); err != nil {
		t.Fatal(err)
	}
	all, err := s.c.Containers(t.Context(), s.name)
	if err != nil || len(all) != 1 || all[0].State != "running" || IsAside(all[0].Name) {
		t.Errorf("left: %+v, %v", all, err)
	}
	s.mustBeSettled(project)
}
