package logstream

import (
	"bytes"
	"testing"

	"bgctl/internal/backtest/synth"
)

// BenchmarkParser is the live path: records that last, one line at a time.
func BenchmarkParser(b *testing.B) {
	eachStyle(b, func(b *testing.B, data []byte) {
		p := NewParser(nil)
		lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		var r Record
		for b.Loop() {
			for _, line := range lines {
				_ = p.Parse(line, &r) // a few lines are torn
			}
		}
	})
}

// BenchmarkDecoder is the path of a backtest: whole blocks, nothing copied.
func BenchmarkDecoder(b *testing.B) {
	eachStyle(b, func(b *testing.B, data []byte) {
		d, block, names := NewDecoder(Format{}), &Block{Data: data}, NewNamer(nil)
		for b.Loop() {
			d.Decode(block)
			for i := range block.Records {
				names.Name(&block.Records[i])
			}
		}
	})
}

// eachStyle runs a benchmark on 700 lines of every style.
func eachStyle(b *testing.B, run func(*testing.B, []byte)) {
	const lines = 700
	for _, style := range synth.Styles() {
		var log bytes.Buffer
		if err := synth.Write(&log, synth.Options{Lines: lines, Seed: 1, Style: style}); err != nil {
			b.Fatal(err)
		}
		b.Run(string(style), func(b *testing.B) {
			b.SetBytes(int64(log.Len()))
			b.ReportAllocs()
			run(b, log.Bytes())
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}
