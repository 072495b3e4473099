package deployment_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bgctl/internal/alert"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
)

// accessLine is the i-th line of an access log as the proxy's nginx writes it.
func accessLine(i int) string {
	return fmt.Sprintf(`{"time_local":"30/Oct/2025:12:30:14 +0000","msec":"%d.%03d","remote_addr":"10.0.0.%d","request":"GET /item/%d HTTP/1.1",`+
		`"status":"200","upstream_status":"200","upstream_addr":"172.18.0.3:3000","request_time":"0.004","upstream_response_time":"0.004",`+
		`"pool":"blue","release":"v1.0.0","active":"blue","request_id":"%032x","bytes_sent":"412","upstream_pool":"blue"}`+"\n",
		1761827414+i/1000, i%1000, i%250, i, i)
}

// containerLines returns n of them.
func containerLines(n int) []byte {
	var out []byte
	for i := range n {
		out = append(out, accessLine(i)...)
	}
	return out
}

// containerLog is the output of a container as the engine sends it: n lines, each in
// a frame with its time in front.
func containerLog(n int) []byte {
	var out []byte
	for i := range n {
		line := fmt.Sprintf("2025-10-30T12:30:%02d.%09dZ ", i/10_000%60, i*100_000%1_000_000_000) + accessLine(i)
		out = append(out, 1, 0, 0, 0)
		out = binary.BigEndian.AppendUint32(out, uint32(len(line)))
		out = append(out, line...)
	}
	return out
}

// BenchmarkDockerSource reads a container's output from an engine into a detector:
// connection, frames, times, repeats, records and detection.
func BenchmarkDockerSource(b *testing.B) {
	const lines = 100_000
	output := containerLog(lines)
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_, _ = w.Write([]byte(`[]`))
		case strings.HasSuffix(r.URL.Path, "/web/json"), strings.HasSuffix(r.URL.Path, "/0123/json"):
			_ = json.NewEncoder(w).Encode(map[string]any{"Id": "0123", "Name": "/web", "State": map[string]any{"Status": "running"}, "Config": map[string]any{}})
		case strings.HasSuffix(r.URL.Path, "/logs"):
			_, _ = w.Write(output)
		case strings.HasSuffix(r.URL.Path, "/version"):
			_, _ = w.Write([]byte(`{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}`))
		}
	}))
	defer engine.Close()
	client, err := compose.Connect(b.Context(), compose.ConnectOptions{Host: "tcp://" + engine.Listener.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	enough := errors.New("enough")
	b.SetBytes(int64(len(output)))
	for b.Loop() {
		left, detector := lines, alert.NewDetector(alert.DefaultConfig())
		err := logstream.NewContainerSource(logstream.ContainerConfig{
			Engine: &deployment.Output{Client: client, Project: "p", Name: "web"}, Start: logstream.AtBeginning(),
		}).Run(b.Context(), func(batch logstream.Batch) error {
			for i := range batch.Records {
				detector.Observe(&batch.Records[i])
			}
			if left -= len(batch.Records); left <= 0 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
}
