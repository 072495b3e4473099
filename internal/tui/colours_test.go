package tui_test

import (
	"math"
	"strconv"
	"testing"

	"bgctl/internal/tui"
)

// rgb is a colour of linear light, 0 to 1.
type rgb [3]float64

// linear reads #RRGGBB.
func linear(t *testing.T, hex string) rgb {
	t.Helper()
	var out rgb
	for i := range out {
		v, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatalf("%q: %v", hex, err)
		}
		c := float64(v) / 255
		if c <= 0.04045 {
			out[i] = c / 12.92
		} else {
			out[i] = math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return out
}

// luminance is the relative luminance of WCAG 2.
func luminance(c rgb) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is the contrast ratio of WCAG 2.
func contrast(a, b rgb) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// lab converts to CIE L*a*b*, white D65.
func lab(c rgb) [3]float64 {
	f := func(v float64) float64 {
		if v > 0.008856 {
			return math.Cbrt(v)
		}
		return 7.787*v + 16.0/116
	}
	x := f((0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.95047)
	y := f(0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2])
	z := f((0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// distance is the CIE76 colour difference.
func distance(a, b rgb) float64 {
	p, q := lab(a), lab(b)
	return math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
}

// deficiencies are the matrices of Machado, Oliveira and Fernandes (2009) for a
// severity of 1, on linear light.
func deficiencies() map[string][3][3]float64 {
	return map[string][3][3]float64{
		"normal": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protan": {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deutan": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"tritan": {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	}
}

// seen is a colour as somebody with a deficiency sees it.
func seen(c rgb, m [3][3]float64) rgb {
	var out rgb
	for i := range out {
		out[i] = min(1, max(0, m[i][0]*c[0]+m[i][1]*c[1]+m[i][2]*c[2]))
	}
	return out
}

// The colours of pools and severities stay apart for everybody, and every ink can
// be read on the backgrounds people use.
func TestThemes_ColoursStayApartAndReadable(t *testing.T) {
	tests := []struct {
		theme       string
		backgrounds []string
		contrast    float64
		apart       map[string]float64 // smallest distance among pools and severities
	}{
		{tui.ThemeDark, []string{"#000000", "#1e1e2e"}, 5.4, map[string]float64{"normal": 70, "protan": 40, "deutan": 40, "tritan": 40}},
		{tui.ThemeLight, []string{"#FFFFFF", "#FDF6E3"}, 5.0, map[string]float64{"normal": 50, "protan": 20, "deutan": 20, "tritan": 25}},
		{tui.ThemeContrast, []string{"#000000", "#1e1e2e"}, 7, map[string]float64{"normal": 70, "protan": 30, "deutan": 27, "tritan": 30}},
		{tui.ContrastLight, []string{"#FFFFFF", "#FDF6E3"}, 7, map[string]float64{"normal": 45, "protan": 18, "deutan": 17, "tritan": 25}},
	}
	for _, tc := range tests {
		t.Run(tc.theme, func(t *testing.T) {
			inks := tui.Inks(tc.theme)
			for name, hex := range inks {
				for _, bg := range tc.backgrounds {
					if got := contrast(linear(t, hex), linear(t, bg)); got < tc.contrast {
						t.Errorf("%s %s on %s has a contrast of %.1f, want %.1f", name, hex, bg, got, tc.contrast)
					}
				}
			}
			for kind, m := range deficiencies() {
				names := []string{"blue", "green", "warn", "crit"}
				for i, a := range names {
					for _, b := range names[:i] {
						if got := distance(seen(linear(t, inks[a]), m), seen(linear(t, inks[b]), m)); got < tc.apart[kind] {
							t.Errorf("%s: %s and %s are %.0f apart, want %.0f", kind, a, b, got, tc.apart[kind])
						}
					}
				}
			}
		})
	}
}

func TestThemes_SixteenColoursAreBrightAndNoneIsBlack(t *testing.T) {
	for name, params := range tui.Params("16") {
		n, err := strconv.Atoi(params)
		if params != "" && (err != nil || n < 91 || n > 97) {
			t.Errorf("%s is %q on a terminal of 16 colours, want a bright one", name, params)
		}
	}
	for name, params := range tui.Params(tui.ThemeMono) {
		if params != "" {
			t.Errorf("%s has the colour %q without colours", name, params)
		}
	}
}
