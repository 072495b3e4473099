package compose

import (
	"context"
	"encoding/json"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Stats is one sample of what a container uses. All fields are zero for a
// container that does not run.
type Stats struct {
	At          time.Time
	CPUPercent  float64 // 100 is one core
	MemoryBytes uint64  // without page cache that can be dropped, as `docker stats` shows it
	MemoryLimit uint64
	NetRx       uint64
	NetTx       uint64
	PIDs        uint64
}

// Stats takes one sample. The engine measures the CPU over one second, so the
// call takes one to two seconds.
func (c *Client) Stats(ctx context.Context, id string) (Stats, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	answer, err := c.api.ContainerStats(ctx, id, false)
	if err != nil {
		return Stats{}, c.wrap("measure container "+shortID(id), err)
	}
	defer func() { _ = answer.Body.Close() }()
	var raw container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&raw); err != nil {
		return Stats{}, c.wrap("measure container "+shortID(id), err)
	}
	return statsFrom(raw), nil
}

func statsFrom(raw container.StatsResponse) Stats {
	if raw.Read.Year() <= 1 {
		return Stats{} // not running
	}
	out := Stats{
		At:          raw.Read,
		CPUPercent:  cpuPercent(raw.PreCPUStats, raw.CPUStats),
		MemoryBytes: usedMemory(raw.MemoryStats),
		MemoryLimit: raw.MemoryStats.Limit,
		PIDs:        raw.PidsStats.Current,
	}
	for _, card := range raw.Networks {
		out.NetRx += card.RxBytes
		out.NetTx += card.TxBytes
	}
	return out
}

// cpuPercent is the share of one core: the container's time over the host's
// time of all cores, times the number of cores.
func cpuPercent(before, now container.CPUStats) float64 {
	if before.SystemUsage == 0 || now.SystemUsage <= before.SystemUsage ||
		now.CPUUsage.TotalUsage <= before.CPUUsage.TotalUsage {
		return 0 // the first sample, or a counter that was reset by a restart
	}
	used := float64(now.CPUUsage.TotalUsage - before.CPUUsage.TotalUsage)
	passed := float64(now.SystemUsage - before.SystemUsage)
	cores := float64(now.OnlineCPUs)
	if cores == 0 {
		cores = float64(len(now.CPUUsage.PercpuUsage))
	}
	return used / passed * cores * 100
}

// usedMemory subtracts the inactive page cache: total_inactive_file is cgroup
// v1's name for it, inactive_file v2's.
func usedMemory(memory container.MemoryStats) uint64 {
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if cache, ok := memory.Stats[key]; ok && cache < memory.Usage {
			return memory.Usage - cache
		}
	}
	return memory.Usage
}
