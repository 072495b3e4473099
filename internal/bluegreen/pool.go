// Package bluegreen is the domain of bgctl: pools, the observed state of a
// deployment, plans that change it, and the controller that executes a plan.
//
// It is a leaf. It knows neither Docker nor nginx nor a screen: what it needs of
// them it declares as small interfaces. Planning is pure; only the controller acts.
package bluegreen

import "fmt"

// Pool names one of the two application pools.
type Pool uint8

// The pools. NoPool is the zero value: no pool, or a pool that could not be known.
const (
	NoPool Pool = iota
	Blue
	Green
)

// Pools returns both pools, blue first.
func Pools() [2]Pool { return [2]Pool{Blue, Green} }

// ParsePool returns the pool that s names. It accepts only the exact words
// "blue" and "green": a pool name steers traffic, so a near miss is an error.
func ParsePool(s string) (Pool, error) {
	switch s {
	case "blue":
		return Blue, nil
	case "green":
		return Green, nil
	}
	return NoPool, fmt.Errorf("unknown pool %q: use blue or green", s)
}

// Other returns the opposite pool. The other of [NoPool] is NoPool.
func (p Pool) Other() Pool {
	switch p {
	case Blue:
		return Green
	case Green:
		return Blue
	case NoPool:
	}
	return NoPool
}

// String returns "blue", "green" or "".
func (p Pool) String() string {
	switch p {
	case Blue:
		return "blue"
	case Green:
		return "green"
	case NoPool:
	}
	return ""
}

// MarshalText implements [encoding.TextMarshaler].
func (p Pool) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The empty text is [NoPool].
func (p *Pool) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = NoPool
		return nil
	}
	pool, err := ParsePool(string(text))
	if err != nil {
		return err
	}
	*p = pool
	return nil
}
