package synth

import (
	"strconv"
	"strings"
)

func digits(n int) string { return strconv.Itoa(n) }

// seconds is a time as nginx writes it, mostly short.
func (g *generator) seconds(mean float64) string {
	ms := int(g.rng.ExpFloat64() * mean)
	return digits(ms/1000) + "." + threeDigits(ms%1000)
}

func threeDigits(n int) string { return digits(1000 + n)[1:] }

func (g *generator) hex(n int) string {
	const alphabet = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.rng.IntN(16)]
	}
	return string(b)
}

func (g *generator) client() string {
	if g.chance(10) {
		return "2001:db8:" + g.hex(4) + "::" + g.hex(2)
	}
	return "203.0." + digits(g.rng.IntN(128)) + "." + digits(g.rng.IntN(256))
}

func (g *generator) path() string {
	switch n := g.rng.IntN(100); {
	case n < 20:
		return "/"
	case n < 45:
		return "/api/v2/orders/" + digits(g.rng.IntN(900_000))
	case n < 60:
		return "/static/app." + g.hex(8) + ".js"
	case n < 75:
		return "/search?q=" + strings.ReplaceAll(pick(g, "green shoes", "usb cable", "a", "second hand books"), " ", "+") + "&page=" + digits(g.rng.IntN(30))
	case n < 76:
		return "/caf\u00e9/" + digits(g.rng.IntN(50)) // some clients do not escape
	case n < 77:
		return `/q?name=\"x\"&tab=\t`
	case n < 80:
		return "/download/" + g.hex(64) + "?token=" + g.hex(40)
	}
	return "/products/" + digits(g.rng.IntN(5000)) + "/reviews"
}

func agent(g *generator) string {
	return pick(g, "curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Go-http-client/1.1")
}
