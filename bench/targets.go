package main

import "fmt"

// target is a required ratio of two rows of one run, or a required figure.
type target struct {
	workload string
	against  string  // system of the same workload; "": the figure itself
	figure   string  // "": records/s; else a field of extra, p50 or p99
	least    float64 // at least this
	most     float64 // or at most this
	unit     string
	better   float64 // a stretch target beyond it
}

var targets = []target{
	{workload: "append-1/128", least: 3e6, unit: "records/s"},
	{workload: "append-1/128", against: "limit:mmap", least: 0.25},
	{workload: "append-1/128", against: "pebble", least: 4.5},
	{workload: "append-100/128", against: "pebble", least: 4, better: 6},
	{workload: "append-100/128", against: "wlog", least: 0.6, better: 0.9},
	{workload: "append-100/128", figure: "checkpoints", least: 3, unit: "checkpoints"},
	{workload: "append-100/1024", against: "pebble", least: 5, better: 7},
	{workload: "append-100/1024", against: "wlog", least: 0.5, better: 0.75},
	{workload: "durable:1 goroutine/128", against: "limit:fdatasync", least: 0.93},
	{workload: "durable:1 goroutine/128", against: "pebble", least: 1.3},
	{workload: "durable:64 goroutines/128", against: "limit:group", least: 0.85},
	{workload: "durable:64 goroutines/128", against: "pebble", least: 1.5},
	{workload: "atomic/128", against: "pebble", least: 5},
	{workload: "atomic:durable/128", against: "pebble", least: 1.5},
	{workload: "scan:reopened/128", least: 16e6, unit: "records/s"},
	{workload: "scan:reopened/128", against: "limit:read", least: 0.6},
	{workload: "scan:again/128", least: 25e6, unit: "records/s"},
	{workload: "get:1 goroutine/128", against: "limit:mapped", least: 0.7},
	{workload: "get:1 goroutine/128", against: "bbolt", least: 3.5},
	{workload: "get:2 goroutines/128", against: "limit:mapped", least: 0.7},
	{workload: "get:2 goroutines/128", against: "bbolt", least: 3.5},
	{workload: "tail:paced/128", figure: "p50", most: 4, unit: "µs at the median"},
	{workload: "tail:paced/128", figure: "p99", most: 100, unit: "µs at the 99th percentile"},
	{workload: "tail:flat out/128", least: 2e6, unit: "records/s"},
	{workload: "reopen:clean/128", figure: "open_ms", most: 18, unit: "ms"},
	{workload: "reopen:after a kill/128", figure: "open_ms", most: 130, unit: "ms"},
	{workload: "reopen:clean/128", figure: "index_bytes_per_record", most: 1, unit: "B of index per record"},
	{workload: "reopen:clean/128", figure: "heap_mb", most: 15, unit: "MB of heap"},
	{workload: "reopen:clean/128", figure: "disk_bytes_per_record", most: 150, unit: "B on disk per record"},
	{workload: "claim+ackCommit:count 100/128", least: 1e6, unit: "records/s"},
	{workload: "claim+ackCommit:count 10/128", least: 300e3, unit: "records/s"},
	{workload: "zstd:write/128", least: 1.5e6, unit: "records/s"},
	{workload: "zstd:write/128", figure: "ratio", least: 3, unit: "compression"},
	{workload: "zstd:scan/128", least: 6e6, unit: "records/s"},
}

// printTargets compares what was measured with the targets.
func printTargets(rows []*row) {
	find := func(workload, system string) *row {
		for _, r := range rows {
			if r.w.id() == workload && r.sys.name == system && len(r.results) > 0 {
				return r
			}
		}
		return nil
	}
	head := false
	for _, t := range targets {
		r := find(t.workload, "pipeproc")
		if r == nil {
			continue
		}
		var b *row
		if t.against != "" {
			if b = find(t.workload, t.against); b == nil {
				continue
			}
		}
		if !head {
			fmt.Println("\ntargets")
			head = true
		}
		fmt.Println("  " + t.line(r, b))
	}
}

// line describes a target and the result.
func (t *target) line(r, b *row) string {
	var got float64
	if b != nil {
		got = ratio(r, b, (*result).rate)
	} else {
		got = r.figure(t.figure)
	}
	ok, sign, bound := got >= t.least, "≥", t.least
	if t.most > 0 {
		ok, sign, bound = got <= t.most, "≤", t.most
	}
	verdict := "MISSED"
	if ok {
		verdict = "ok"
	}
	want, reached := sign+" "+short(bound), short(got)
	if b != nil {
		want, reached = fmt.Sprintf("%s %.3g× %s", sign, bound, t.against), fmt.Sprintf("%.2f×", got)
	} else if t.unit != "" {
		want += " " + t.unit
	}
	s := fmt.Sprintf("%-30s target %-34s %9s  %s", t.workload, want+":", reached, verdict)
	if t.better > 0 && ok {
		s += fmt.Sprintf(" (stretch %.3g×", t.better)
		if got >= t.better {
			s += ": ok)"
		} else {
			s += " missed)"
		}
	}
	return s
}

// figure returns the median of one figure.
func (r *row) figure(name string) float64 {
	switch name {
	case "":
		return r.rate
	case "p50":
		return r.p50
	case "p99":
		return r.p99
	}
	return r.extra[name]
}
