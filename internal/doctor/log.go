package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
	"bgctl/internal/sanitize"
)

// checkLogFile looks at what stands at the log's path.
func checkLogFile(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	return judgeLogFile(&x.Log, p.restartProxy(ctx)), nil
}

// restartProxy makes the entrypoint replace what is not a file, start the rotation and
// nginx anew.
func (p *patient) restartProxy(ctx context.Context) string {
	c, err := p.running(ctx, bluegreen.RoleProxy)
	if err != nil {
		return "bgctl up"
	}
	return "docker restart " + c.Name
}

// judgeLogFile: a link to a standard stream, as the official image has it, leaves the
// watcher with its own output to read.
func judgeLogFile(x *proxy.LogExam, remedy string) []finding {
	switch {
	case x.Kind != proxy.KindFile:
		return []finding{{Failed, x.Path, "the access log is " + x.Kind + ", not a file: the watcher sees no request", remedy}}
	case x.Elsewhere != "":
		return []finding{{Failed, x.Path, "nginx writes to " + x.Elsewhere + " and not to the file that the watcher reads", remedy}}
	case x.Err != "":
		return []finding{{Failed, x.Path, x.Err, remedy}}
	}
	return nil
}

// fewRequests are too few to tell whether the log stands still: health checks and
// looks at the state are not logged.
const fewRequests = 10

// checkLogGrowth compares requests and log.
func checkLogGrowth(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	if x.Traffic == nil {
		return nil, none("nginx did not tell how many requests came")
	}
	return judgeLogGrowth(x.Traffic, p.restartProxy(ctx))
}

func judgeLogGrowth(t *proxy.Traffic, remedy string) ([]finding, error) {
	span := t.Over.Round(100 * time.Millisecond)
	switch {
	case t.Grown:
		return nil, nil
	case t.Requests < fewRequests:
		return nil, none("%d requests in %s are too few to tell: some of them are health checks, which are not logged", t.Requests, span)
	}
	return []finding{{Failed, proxy.AccessLog, fmt.Sprintf("nginx counted %d requests in %s and the log did not grow: a full disk, or a file that nobody writes to", t.Requests, span), remedy}}, nil
}

// checkLogFormat reads the last lines as the watcher does.
func checkLogFormat(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	if len(x.Log.Last) == 0 {
		return nil, none("the access log has no line yet")
	}
	return judgeLogFormat(x.Log.Last), nil
}

// judgeLogFormat: torn lines are normal after a full disk, a log without any line that
// is understood has another format.
func judgeLogFormat(lines []string) []finding {
	parser := logstream.NewParser(nil)
	var rec logstream.Record
	bad, first := 0, ""
	for _, line := range lines {
		if err := parser.Parse([]byte(line), &rec); err != nil {
			if bad++; first == "" {
				first = excerpt(line)
			}
		}
	}
	if bad == 0 {
		return nil
	}
	verdict, remedy := Warning, "look at the lines: bgctl logs --access --tail 50"
	if bad == len(lines) {
		verdict, remedy = Failed, "name the format: bgctl watch --help, under --format"
	}
	return []finding{{verdict, proxy.AccessLog, fmt.Sprintf("%d of the last %d lines are not understood, the first: %s", bad, len(lines), first), remedy}}
}

// excerpt is the begin of a line, without queries: they may hold secrets.
func excerpt(line string) string {
	line, _, _ = strings.Cut(line, "?")
	return string(sanitize.AppendLine(nil, []byte(line), 100))
}

// newestLine is the newest time in the lines.
func newestLine(lines []string) time.Time {
	parser := logstream.NewParser(nil)
	var rec logstream.Record
	var newest time.Time
	for _, line := range lines {
		if parser.Parse([]byte(line), &rec) == nil && rec.Time.After(newest) {
			newest = rec.Time
		}
	}
	return newest
}

// rotation are the limits that are in force in the running proxy.
func (p *patient) rotation(ctx context.Context) (size int64, keep int, err error) {
	c, err := p.running(ctx, bluegreen.RoleProxy)
	if err != nil {
		return 0, 0, err
	}
	s, _, err := proxy.LoadSettings(p.setting(ctx, c), embeddedResolver)
	return s.LogMaxSize, s.LogKeep, err
}

// checkRotation looks for the process that rotates the log, and at what it left.
func checkRotation(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	_, keep, err := p.rotation(ctx)
	if err != nil {
		return nil, err
	}
	return judgeRotation(x, keep, p.restartProxy(ctx)), nil
}

// judgeRotation: a log that grew past its limit is told by the proxy itself, see trouble.
func judgeRotation(x *proxy.Examination, keep int, remedy string) []finding {
	var out []finding
	if !x.Rotation {
		out = append(out, finding{Failed, proxy.AccessLog, "no process rotates the log: it grows until the disk is full", remedy})
	}
	if x.Log.Rotated > keep {
		out = append(out, finding{Warning, proxy.AccessLog, fmt.Sprintf("%d rotated files although LOG_KEEP is %d: the older ones are left from another setting", x.Log.Rotated, keep), "Remove the files with the highest numbers from the log volume."})
	}
	return out
}

func unsigned(n int64) uint64 { return uint64(max(n, 0)) }

// checkLogRoom asks whether all the files that may be kept have room.
func checkLogRoom(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	size, keep, err := p.rotation(ctx)
	if err != nil {
		return nil, err
	}
	return judgeLogRoom(x, size, keep), nil
}

func judgeLogRoom(x *proxy.Examination, size int64, keep int) []finding {
	most := unsigned(size) * (unsigned(int64(keep)) + 1)
	used := unsigned(x.Log.All)
	for _, d := range x.Disks {
		if d.Path != proxy.LogDir || most <= used || most-used <= d.Free {
			continue
		}
		return []finding{{
			Warning, proxy.LogDir, fmt.Sprintf("LOG_MAX_SIZE × (LOG_KEEP + 1) is %s, the log has %s now, and the volume has %s free: it fills up", bytesText(most), bytesText(used), bytesText(d.Free)),
			"Write a smaller LOG_MAX_SIZE or LOG_KEEP into .env, or free space; then: bgctl up",
		}}
	}
	return nil
}

// The space that is too little: for a pull of an image, and for the log at all.
const (
	tight = 1 << 30
	full  = 100 << 20
)

// checkDisk looks at the file systems that the deployment writes to.
func checkDisk(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	root := ""
	if s, err := p.engineSystem(ctx); err == nil {
		root = s.DataRoot
	}
	return judgeDisks(x.Disks, root), nil
}

// judgeDisks: the container's root is on the file system of the engine's data root.
func judgeDisks(disks []proxy.Disk, dataRoot string) []finding {
	var out []finding
	said := map[proxy.Disk]bool{}
	for _, d := range disks {
		name := d.Path
		if d.Path == "/" {
			name = "engine's data root " + dataRoot
		}
		// Several paths on one file system are one disk.
		key := proxy.Disk{Total: d.Total, Free: d.Free, Files: d.Files, Left: d.Left}
		if d.Total == 0 || said[key] {
			continue
		}
		said[key] = true
		verdict := judgeFree(&d)
		if d.Files > 0 && d.Left*50 < d.Files {
			verdict = worse(verdict, Warning)
		}
		if verdict == OK {
			continue
		}
		out = append(out, finding{
			verdict, name, fmt.Sprintf("%s of %s free, %d of %d files left", bytesText(d.Free), bytesText(d.Total), d.Left, d.Files),
			"see what takes the space: docker system df",
		})
	}
	return out
}

// judgeFree judges a file system by its share and by its size: a small tmpfs is meant so.
func judgeFree(d *proxy.Disk) Verdict {
	share := d.Free * 100 / d.Total
	small := d.Total < 4*tight
	switch {
	case share < 2 || !small && d.Free < full:
		return Failed
	case share < 10 && (small || d.Free < 10*tight):
		return Warning
	case !small && d.Free < tight:
		return Warning
	}
	return OK
}

// worse is the worse of two verdicts.
func worse(a, b Verdict) Verdict {
	for _, v := range []Verdict{Failed, Warning} {
		if a == v || b == v {
			return v
		}
	}
	return OK
}
