package compose

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
)

func TestStatsFrom(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cpu := func(used, system uint64, cores uint32) container.CPUStats {
		return container.CPUStats{CPUUsage: container.CPUUsage{TotalUsage: used}, SystemUsage: system, OnlineCPUs: cores}
	}
	memory := func(usage uint64, key string, cache uint64) container.MemoryStats {
		return container.MemoryStats{Usage: usage, Limit: 1000, Stats: map[string]uint64{key: cache}}
	}
	perCore := cpu(150, 1100, 0)
	perCore.CPUUsage.PercpuUsage = make([]uint64, 2)
	tests := []struct {
		name string
		in   container.StatsResponse
		want Stats
	}{
		{name: "not running", in: container.StatsResponse{MemoryStats: memory(5, "x", 1)}},
		{name: "cgroup v2", in: container.StatsResponse{Read: at, MemoryStats: memory(500, "inactive_file", 100)}, want: Stats{At: at, MemoryBytes: 400, MemoryLimit: 1000}},
		{name: "cgroup v1", in: container.StatsResponse{Read: at, MemoryStats: memory(500, "total_inactive_file", 200)}, want: Stats{At: at, MemoryBytes: 300, MemoryLimit: 1000}},
		{name: "cache over usage", in: container.StatsResponse{Read: at, MemoryStats: memory(500, "inactive_file", 600)}, want: Stats{At: at, MemoryBytes: 500, MemoryLimit: 1000}},
		{name: "a quarter of 2 cores", in: container.StatsResponse{Read: at, PreCPUStats: cpu(100, 1000, 2), CPUStats: cpu(150, 1200, 2)}, want: Stats{At: at, CPUPercent: 50}},
		{name: "cores from the list", in: container.StatsResponse{Read: at, PreCPUStats: cpu(100, 1000, 0), CPUStats: perCore}, want: Stats{At: at, CPUPercent: 100}},
		{name: "first sample", in: container.StatsResponse{Read: at, CPUStats: cpu(150, 1200, 2)}, want: Stats{At: at}},
		{name: "counter went back", in: container.StatsResponse{Read: at, PreCPUStats: cpu(200, 1000, 2), CPUStats: cpu(150, 1200, 2)}, want: Stats{At: at}},
		{
			name: "networks and processes",
			in: container.StatsResponse{Read: at, PidsStats: container.PidsStats{Current: 4}, Networks: map[string]container.NetworkStats{
				"eth0": {RxBytes: 1, TxBytes: 2}, "eth1": {RxBytes: 10, TxBytes: 20},
			}},
			want: Stats{At: at, NetRx: 11, NetTx: 22, PIDs: 4},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, statsFrom(tt.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
