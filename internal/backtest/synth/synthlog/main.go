// Command synthlog writes a synthetic access log to standard output.
package main

import (
	"flag"
	"fmt"
	"os"

	"bgctl/internal/backtest/synth"
)

func main() {
	lines := flag.Int("lines", 1000, "lines to write")
	seed := flag.Uint64("seed", 1, "the same seed gives the same log")
	style := flag.String("style", string(synth.Ours), "format of the lines")
	flag.Parse()
	err := synth.Write(os.Stdout, synth.Options{Lines: *lines, Seed: *seed, Style: synth.Style(*style)})
	if err != nil {
		fmt.Fprintln(os.Stderr, "synthlog:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}
