package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"bgctl/internal/bluegreen"
)

// How often the screen looks at the world.
const (
	tickEvery      = 100 * time.Millisecond
	tickIdle       = 300 * time.Millisecond
	stayAwake      = 2 * time.Second // after the last news
	observeEvery   = time.Second
	observeTimeout = 10 * time.Second
	maxBackoff     = 5 * time.Second
)

// Model is the dashboard. It is the only Bubble Tea model; everything inside it
// is a plain struct.
type Model struct {
	ctx    context.Context //nolint:containedctx // the program's life, handed to its commands
	deps   Deps
	opts   Options
	keys   []binding
	theme  *theme
	dark   bool
	basic  bool // the terminal has 16 colours
	w, h   int
	view   view
	now    time.Time
	frame  string
	grid   *grid // the last frame
	dirty  bool
	drawn  int64     // the second of the last frame
	awake  time.Time // until when the screen asks often
	cursor *tea.Cursor

	dep       *bluegreen.Deployment
	depErr    error
	errSince  time.Time
	observing bool
	again     bool     // observe once more when the running observation ends
	stale     bool     // an act has ended, and nothing has been seen since
	held      *binding // the act asked for meanwhile
	askedAt   time.Time
	retryAt   time.Time
	failures  int

	taking    bool
	latest    *FeedSnapshot // the newest
	feed      *FeedSnapshot // what is shown
	paused    bool
	pausedAt  time.Time
	pausedRow int

	panels     [panelCount]panel
	hist       *history
	containers *containerPanel
	events     *eventPanel
	logs       *logPanel
	marks      []mark

	dialog  *dialog
	details *details
	menu    *menu
	finder  *finder
	tail    *tailView
	act     *act
	baking  []*act // acts that only watch a release any more
	seen    string // the rollback whose banner was put away
	mouse   bool
	hint    bool // show how to begin
	zones   []zone
	toast   *toast
	undo    *bluegreen.Plan // what was done last, nil when it cannot be undone
	savedTo string          // where the screen was saved to last
}

// The messages.
type (
	tickMsg     struct{}
	feedMsg     struct{ snapshot FeedSnapshot }
	observedMsg struct {
		dep bluegreen.Deployment
		err error
	}
	progressMsg struct {
		act *act
		p   bluegreen.Progress
	}
	savedMsg struct {
		path string
		err  error
	}
	doneMsg struct {
		act     *act
		outcome bluegreen.Outcome
		err     error
	}
)

// New returns the dashboard. Its commands live as long as ctx.
func New(ctx context.Context, deps Deps, opts Options) *Model {
	m := &Model{
		ctx: ctx, deps: deps, opts: opts, keys: bindings(), dark: true, dirty: true, now: deps.Now(),
		view: view{focus: panelLogs, tab: panelLogs, plot: panelErrors, window: window5m},
		hist: newHistory(), containers: &containerPanel{}, events: newEventPanel(), logs: newLogPanel(),
	}
	m.panels = [panelCount]panel{
		panelBlue: poolPanel{bluegreen.Blue}, panelGreen: poolPanel{bluegreen.Green},
		panelErrors: &plotPanel{panelErrors, metricErrors}, panelLatency: &plotPanel{panelLatency, metricP95},
		panelContainers: m.containers, panelEvents: m.events, panelLogs: m.logs, panelWindow: windowPanel{},
	}
	for w, name := range []string{"1m", "5m", "15m", "1h"} {
		if opts.Window == name {
			m.view.window = window(w)
		}
	}
	keys, err := rebind(m.keys, opts.Keys)
	if err != nil {
		opts.Warnings = append(opts.Warnings, err.Error()+"; the default keys are used")
	} else {
		m.keys = keys
	}
	if len(opts.Warnings) > 0 {
		m.toast = say(m.now, inkWarn, opts.Warnings...)
	}
	m.mouse, m.hint = opts.Mouse == MouseOn, opts.FirstRun
	m.retheme()
	return m
}

// retheme chooses the theme from the options and what the terminal said.
func (m *Model) retheme() {
	name := m.opts.Theme
	switch {
	case name == ThemeMono:
	case m.basic:
		name = theme16
	case name == ThemeContrast && !m.dark:
		name = contrastLight
	case (name == ThemeAuto || name == "") && !m.dark:
		name = ThemeLight
	case name == ThemeAuto || name == "":
		name = ThemeDark
	}
	m.theme = newTheme(name, m.opts.Charset)
}

// Init asks for everything at once, so that the first paint does not wait.
func (m *Model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.observe(), m.take(), tick(tickEvery)}
	if m.opts.Theme == ThemeAuto || m.opts.Theme == ThemeContrast {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// tick wakes the screen.
func tick(wait time.Duration) tea.Cmd {
	return tea.Tick(wait, func(time.Time) tea.Msg { return tickMsg{} })
}

// observe looks at the deployment outside Update, at most once at a time.
func (m *Model) observe() tea.Cmd {
	if m.observing {
		m.again = true
		return nil
	}
	m.observing, m.again, m.askedAt = true, false, m.deps.Now()
	ctx, look := m.ctx, m.deps.Observe
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, observeTimeout)
		defer cancel()
		dep, err := look(ctx)
		return observedMsg{dep, err}
	}
}

// take pulls the feed outside Update, at most once at a time.
func (m *Model) take() tea.Cmd {
	if m.taking || m.deps.Feed == nil {
		return nil
	}
	m.taking = true
	feed := m.deps.Feed
	return func() tea.Msg { return feedMsg{feed.Take()} }
}

// Show lets the screen take a deployment and a snapshot of the log, as if its own
// commands had brought them: for pictures of a screen that does not run.
func (m *Model) Show(seen bluegreen.Deployment, snapshot FeedSnapshot) {
	m.Update(observedMsg{seen, nil})
	m.Update(feedMsg{snapshot})
}

// Update takes one message. It never does I/O and never blocks.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.deps.Now()
	m.events.acks.now = m.now
	switch msg := msg.(type) {
	case tickMsg:
		return m, m.onTick()
	case feedMsg:
		m.taking = false
		m.onFeed(&msg.snapshot)
		return m, nil
	}
	m.dirty, m.awake = true, m.now.Add(stayAwake)
	if cmd := m.onInput(msg); cmd != nil {
		return m, cmd
	}
	return m, m.onWorld(msg)
}

// onInput takes what the terminal and the operator say.
func (m *Model) onInput(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		m.basic = msg.Profile == colorprofile.ANSI
		m.retheme()
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.retheme()
	case tea.MouseWheelMsg:
		m.onWheel(msg.Mouse())
	case tea.MouseClickMsg:
		return m.onClick(msg.Mouse())
	case tea.PasteMsg:
		return m.onText("", msg.Content)
	case tea.KeyPressMsg:
		return m.onKey(msg.String(), msg.Text)
	}
	return nil
}

// onWorld takes what the commands bring back.
func (m *Model) onWorld(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case observedMsg:
		return m.onObserved(&msg)
	case progressMsg:
		msg.act.report(msg.p, m.now)
		if msg.act == m.act && m.act.watches() {
			return tea.Batch(m.detach(), await(msg.act))
		}
		return await(msg.act)
	case doneMsg:
		return m.onDone(&msg)
	case saidMsg:
		m.onSaid(msg)
	case savedMsg:
		m.onSaved(msg)
	case tailOpenMsg:
		return m.onTailOpen(msg)
	case tailMsg:
		msg.view.take(&msg.snap)
	}
	return nil
}

// onTick asks for what is due. A screen on which nothing happens is drawn once a
// second, for its clock, and asks less often.
func (m *Model) onTick() tea.Cmd {
	wait := tickEvery
	if m.act == nil && m.tail == nil && m.now.After(m.awake) {
		wait = tickIdle
	}
	if m.act != nil || m.now.Unix() != m.drawn {
		m.dirty = true
	}
	cmds := []tea.Cmd{tick(wait), m.take(), m.takeTail()}
	if !m.observing && !m.now.Before(m.retryAt) {
		cmds = append(cmds, m.observe())
	}
	if m.toast != nil && m.now.After(m.toast.until) {
		m.toast, m.dirty = nil, true
	}
	return tea.Batch(cmds...)
}

// onObserved takes a look at the deployment. A failed one keeps the last values.
func (m *Model) onObserved(msg *observedMsg) tea.Cmd {
	m.observing = false
	if msg.err != nil {
		if m.depErr == nil {
			m.errSince = m.now
		}
		m.depErr = msg.err
		m.failures++
		m.retryAt = m.now.Add(min(maxBackoff, time.Duration(m.failures)*observeEvery))
	} else {
		msg.dep.At = msg.dep.At.In(m.now.Location())
		m.dep, m.depErr, m.failures = &msg.dep, nil, 0
		m.retryAt = m.now.Add(observeEvery)
	}
	if m.again {
		return m.observe() // this one began before what asked for another
	}
	m.stale = false
	if b := m.held; b != nil {
		m.held = nil
		return m.do(b)
	}
	return nil
}

// ended marks what is known of the deployment as older than the end of an act, and
// looks anew. The lock of that act is in it, and no plan can be made from it.
func (m *Model) ended() tea.Cmd {
	m.stale = true
	return m.observe()
}

// onFeed takes a snapshot. While paused it goes on collecting rows and events.
func (m *Model) onFeed(s *FeedSnapshot) {
	if s.Waiting {
		return
	}
	s.localize(m.now.Location())
	if s.news(m.latest) {
		m.dirty, m.awake = true, m.now.Add(stayAwake)
	}
	m.latest = s
	m.hist.merge(s)
	if !m.paused {
		m.feed = s
	}
	m.logs.append(s.Rows)
	m.logs.dropped += s.DroppedRows
	for _, ev := range s.Events {
		if !m.events.add(ev) {
			continue
		}
		glyph, st := eventMark(&ev)
		m.marks = append(m.marks, mark{ev.Time, glyph, st})
	}
	for _, d := range s.Deliveries {
		m.events.deliver(d)
	}
	if n := len(m.marks) - maxEntries; n > 0 {
		m.marks = m.marks[n:]
	}
	s.Rows, s.Events, s.Deliveries = nil, nil, nil
}

// View returns the frame. It is drawn at most once for each message.
func (m *Model) View() tea.View {
	if m.dirty {
		m.draw()
		m.dirty, m.drawn = false, m.now.Unix()
	}
	v := tea.NewView(m.frame)
	v.AltScreen = true
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.Cursor = m.cursor
	v.WindowTitle = "bgctl"
	if m.opts.Project != "" {
		v.WindowTitle += " " + clean(m.opts.Project)
	}
	return v
}
