package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/proxy"
)

// Sources are what the doctor asks. Every function must only read.
type Sources struct {
	Version string // of this bgctl
	EnvFile string // the .env that the project reads
	// Template is the text of nginx.conf for this bgctl.
	Template string
	// Embedded are the texts of the project that is used where there is no file.
	Embedded [][]byte
	Now      func() time.Time
	Load     func(context.Context) (*compose.Project, error)
	// Refine returns the project with the overrides that the running services show to
	// be in force, such as the demo's.
	Refine  func(ctx context.Context, p *compose.Project, services []string) (*compose.Project, error)
	Connect func(context.Context) (Engine, error)
	// Alerts reads the watcher's settings from its environment.
	Alerts func(env func(string) string) (alert.Config, error)
	// Dial makes a connection to a host and port, with TLS if so wanted, and ends it.
	Dial func(ctx context.Context, addr string, scheme Scheme) error
}

// Scheme is how a receiver is reached.
type Scheme string

// The schemes.
const (
	HTTP  Scheme = "http"
	HTTPS Scheme = "https"
)

// Engine is what the doctor asks of a Docker engine; [NewEngine] binds it.
type Engine interface {
	Info() compose.Info
	System(ctx context.Context) (compose.System, error)
	Containers(ctx context.Context, project string) ([]compose.Container, error)
	Observe(ctx context.Context, p *compose.Project) (*compose.Observed, error)
	Deployment(ctx context.Context, project string) (bluegreen.Deployment, error)
	OOMKills(ctx context.Context, project string, since time.Time) ([]compose.Event, error)
	// Exec runs a command in a container and returns what it printed.
	Exec(ctx context.Context, id string, cmd []string, stdin []byte) (compose.ExecResult, error)
	Close()
}

// patient is the deployment under examination. Each fact is found out once.
type patient struct {
	*Sources

	files      fact[*compose.Project]
	refined    fact[*compose.Project]
	connection fact[Engine]
	system     fact[compose.System]
	list       fact[[]compose.Container]
	observed   fact[*compose.Observed]
	state      fact[bluegreen.Deployment]
	exam       fact[*proxy.Examination]
	idle       fact[*proxy.Examination]
}

func newPatient(src *Sources) *patient { return &patient{Sources: src} }

// fact is something that is found out once and told to everybody who asks.
type fact[T any] struct {
	once  sync.Once
	known chan struct{}
	value T
	err   error
}

// of returns the fact, or gives up with ctx; find goes on for the others who ask.
func (f *fact[T]) of(ctx context.Context, find func(context.Context) (T, error)) (T, error) {
	f.once.Do(func() {
		f.known = make(chan struct{})
		go func() {
			defer close(f.known)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runLimit)
			defer cancel()
			f.value, f.err = find(ctx)
		}()
	})
	select {
	case <-f.known:
		return f.value, f.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// now is the value if it is known, its zero value otherwise.
func (f *fact[T]) now() T {
	var none T
	f.once.Do(func() { f.known = make(chan struct{}) })
	select {
	case <-f.known:
		return f.value
	default:
		return none
	}
}

// noneError is the reason for which a check does not apply.
type noneError struct{ reason string }

// Error implements error.
func (e *noneError) Error() string { return e.reason }

func none(format string, args ...any) error { return &noneError{fmt.Sprintf(format, args...)} }

// project is what the files say.
func (p *patient) project(ctx context.Context) (*compose.Project, error) {
	project, err := p.files.of(ctx, p.Load)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.New("the compose file cannot be loaded")
	}
	return project, err
}

// engine is the connection to the engine.
func (p *patient) engine(ctx context.Context) (Engine, error) {
	engine, err := p.connection.of(ctx, p.Connect)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.New("the Docker engine cannot be reached")
	}
	return engine, err
}

// both are the project and the engine.
func (p *patient) both(ctx context.Context) (*compose.Project, Engine, error) {
	project, err := p.project(ctx)
	if err != nil {
		return nil, nil, err
	}
	engine, err := p.engine(ctx)
	return project, engine, err
}

// containers are the project's containers, in all states.
func (p *patient) containers(ctx context.Context) ([]compose.Container, error) {
	project, engine, err := p.both(ctx)
	if err != nil {
		return nil, err
	}
	list, err := p.list.of(ctx, func(ctx context.Context) ([]compose.Container, error) { return engine.Containers(ctx, project.Name) })
	if err == nil && len(list) == 0 {
		err = none("project %s has no container; bring it up: bgctl up", project.Name)
	}
	return list, err
}

// effective is the project with the overrides that are in force.
func (p *patient) effective(ctx context.Context) (*compose.Project, error) {
	project, err := p.project(ctx)
	if err != nil || p.Refine == nil {
		return project, err
	}
	list, err := p.containers(ctx)
	if err != nil {
		return project, nil //nolint:nilerr // without containers the files are all there is
	}
	return p.refined.of(ctx, func(ctx context.Context) (*compose.Project, error) {
		var services []string
		for i := range list {
			services = append(services, list[i].Service)
		}
		return p.Refine(ctx, project, services)
	})
}

// snapshot is what the engine has for the files.
func (p *patient) snapshot(ctx context.Context) (*compose.Observed, error) {
	if _, err := p.containers(ctx); err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := p.engine(ctx)
	if err != nil {
		return nil, err
	}
	return p.observed.of(ctx, func(ctx context.Context) (*compose.Observed, error) { return engine.Observe(ctx, project) })
}

// deployment is what the proxy says of itself, and the containers by role.
func (p *patient) deployment(ctx context.Context) (*bluegreen.Deployment, error) {
	if _, err := p.containers(ctx); err != nil {
		return nil, err
	}
	project, engine, err := p.both(ctx)
	if err != nil {
		return nil, err
	}
	d, err := p.state.of(ctx, func(ctx context.Context) (bluegreen.Deployment, error) { return engine.Deployment(ctx, project.Name) })
	return &d, err
}

// router is the state that the proxy keeps.
func (p *patient) router(ctx context.Context) (*bluegreen.Deployment, *bluegreen.RouterStatus, error) {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, nil, err
	}
	if d.Router == nil {
		return nil, nil, none("the proxy does not tell its state")
	}
	return d, d.Router, nil
}

// inForce are the settings that the proxy's nginx runs with, nil when the proxy does not
// tell them.
func (p *patient) inForce(ctx context.Context) map[string]string {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil
	}
	return r.Settings
}

// setting reads the settings of the running proxy: those in force, or those that its
// container was made with when an older agent does not tell.
func (p *patient) setting(ctx context.Context, c *compose.Container) func(name string) string {
	force := p.inForce(ctx)
	return func(name string) string {
		if v, ok := force[name]; ok {
			return v
		}
		return c.Env[name]
	}
}

// engineSystem is what the engine says of itself.
func (p *patient) engineSystem(ctx context.Context) (compose.System, error) {
	engine, err := p.engine(ctx)
	if err != nil {
		return compose.System{}, err
	}
	return p.system.of(ctx, engine.System)
}

// service returns the service with a role, as the files have it.
func service(p *compose.Project, role bluegreen.Role) (types.ServiceConfig, error) {
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		if deployment.ServiceRole(name, s.Labels[deployment.RoleLabel]) == role {
			return s, nil
		}
	}
	return types.ServiceConfig{}, none("no service is the %s: give it the label %s: %s", role, deployment.RoleLabel, role)
}

// environment reads a service's variables.
func environment(s *types.ServiceConfig) func(string) string {
	return func(name string) string {
		if v := s.Environment[name]; v != nil {
			return *v
		}
		return ""
	}
}

// roleOf is a container's role.
func roleOf(c *compose.Container) bluegreen.Role {
	return deployment.ServiceRole(c.Service, c.Labels[deployment.RoleLabel])
}

// running returns the running container with a role.
func (p *patient) running(ctx context.Context, role bluegreen.Role) (*compose.Container, error) {
	list, err := p.containers(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if roleOf(&list[i]) == role && list[i].State == "running" {
			return &list[i], nil
		}
	}
	return nil, none("no container of the %s runs", role)
}

// unreachable reports whether there is no engine.
func (p *patient) unreachable(ctx context.Context) bool {
	_, err := p.connection.of(ctx, p.Connect)
	return errors.Is(err, compose.ErrUnreachable)
}

// close ends the connection, if there is one.
func (p *patient) close(ctx context.Context) {
	if engine, err := p.engine(ctx); err == nil {
		engine.Close()
	}
}
