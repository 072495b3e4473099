package backtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bgctl/internal/alert"
)

// Grid is the settings that a sweep compares: every combination of the lists. An
// empty list stands for the setting of [Config.Alert].
type Grid struct {
	Windows      []int
	Thresholds   []float64 // percent
	Cooldowns    []time.Duration
	MinSamples   []int
	IncidentRate float64 // percent of failed requests that make an incident; 0: DefaultIncidentRate
}

// DefaultGrid is what is compared when nothing is given.
func DefaultGrid() Grid {
	return Grid{Windows: []int{50, 100, 200, 500}, Thresholds: []float64{1, 2, 5, 10}}
}

// maxSettings bounds the work: every setting has a detector that sees every line.
const maxSettings = 200

// ErrGrid is returned for a grid that cannot be read.
var ErrGrid = errors.New("sweep")

// ParseGrid reads "window=50,100 threshold=1,2 cooldown=60,300 min-samples=20,50",
// one element a dimension. Nothing is the default grid.
func ParseGrid(dims []string) (Grid, error) {
	if len(dims) == 0 {
		return DefaultGrid(), nil
	}
	var g Grid
	for _, dim := range dims {
		name, values, ok := strings.Cut(dim, "=")
		if !ok {
			return g, fmt.Errorf("%w: %q is not name=value,value", ErrGrid, dim)
		}
		for value := range strings.SplitSeq(values, ",") {
			if err := g.add(name, value); err != nil {
				return g, err
			}
		}
	}
	if n := len(g.settings(alert.DefaultConfig())); n > maxSettings {
		return g, fmt.Errorf("%w: %d settings are too many to compare; at most %d", ErrGrid, n, maxSettings)
	}
	return g, nil
}

func (g *Grid) add(name, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n < 0 || n > 1e6 {
		return fmt.Errorf("%w: %s=%q is not a number", ErrGrid, name, value)
	}
	switch name {
	case "window":
		g.Windows = append(g.Windows, int(n))
	case "threshold":
		g.Thresholds = append(g.Thresholds, n)
	case "cooldown":
		g.Cooldowns = append(g.Cooldowns, time.Duration(n*float64(time.Second)))
	case "min-samples":
		g.MinSamples = append(g.MinSamples, int(n))
	default:
		return fmt.Errorf("%w: no setting %q; there are window, threshold, cooldown and min-samples", ErrGrid, name)
	}
	return nil
}

// Validate reports a combination that makes no sense.
func (g *Grid) Validate(base alert.Config) error {
	for _, cfg := range g.settings(base) {
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrGrid, err)
		}
	}
	return nil
}

// settings lists the combinations.
func (g *Grid) settings(base alert.Config) []alert.Config {
	list := []alert.Config{base}
	list = vary(list, g.Windows, func(c *alert.Config, v int) { c.Window = v })
	list = vary(list, g.Thresholds, func(c *alert.Config, v float64) { c.ThresholdPercent = v })
	list = vary(list, g.Cooldowns, func(c *alert.Config, v time.Duration) { c.Cooldown = v })
	return vary(list, g.MinSamples, func(c *alert.Config, v int) { c.MinSamples = v })
}

func vary[T cmp.Ordered](list []alert.Config, values []T, set func(*alert.Config, T)) []alert.Config {
	if len(values) == 0 {
		return list
	}
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	var out []alert.Config
	for _, c := range list {
		for _, v := range values {
			next := c
			set(&next, v)
			out = append(out, next)
		}
	}
	return out
}

// lane plays the records to its share of the settings, beside the other lanes.
type lane struct {
	players []*player
	blocks  chan *block
}

// newLanes shares the settings out.
func newLanes(settings []alert.Config, workers int) []*lane {
	lanes := make([]*lane, min(workers, len(settings)))
	for i := range lanes {
		lanes[i] = &lane{blocks: make(chan *block, 1)}
	}
	for i, cfg := range settings {
		l := lanes[i%len(lanes)]
		l.players = append(l.players, newPlayer(cfg, keepSpans))
	}
	return lanes
}

// startLanes runs the lanes until the returned function is called.
func startLanes(lanes []*lane) (stop func()) {
	var wg sync.WaitGroup
	for _, l := range lanes {
		wg.Go(func() {
			for b := range l.blocks {
				for _, p := range l.players {
					for i := range b.Records {
						p.play(&b.Records[i])
					}
				}
				b.left.Done()
			}
		})
	}
	return func() {
		for _, l := range lanes {
			close(l.blocks)
		}
		wg.Wait()
	}
}

// players lists the players in the order of the settings.
func players(lanes []*lane) []*player {
	var out []*player
	for i := 0; ; i++ {
		l := lanes[i%len(lanes)]
		if i/len(lanes) >= len(l.players) {
			return out
		}
		out = append(out, l.players[i/len(lanes)])
	}
}
