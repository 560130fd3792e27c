package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// printRows prints the table of a workload.
func printRows(w *workload, rows []*row) {
	fmt.Printf("%s  (%s records; %s)\n", w.id(), short(float64(w.n)), w.what)
	fmt.Printf("  %-22s %10s %-17s %8s %9s %9s %7s %7s\n", "", "records/s", "  lowest–highest", "MB/s", "p50 µs", "p99 µs", "rss MB", "disk MB")
	for _, r := range rows {
		if r.Err != "" {
			fmt.Printf("  %-22s %s\n", r.sys.name, r.Err)
			continue
		}
		fmt.Printf("  %-22s %10s %-17s %8s %9s %9s %7s %7s%s\n", r.sys.name, short(r.rate),
			"  "+short(r.least)+"–"+short(r.most), short(r.mb), few(r.p50), few(r.p99), few(r.rss), few(r.disk), notes(r.extra))
	}
	fmt.Println()
}

func notes(extra map[string]float64) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if v := extra[name]; v != 0 {
			fmt.Fprintf(&b, "  %s %s", name, few(v))
		}
	}
	return b.String()
}

// short writes a number with three significant digits.
func short(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 1e7:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return few(v)
}

func few(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// printLegend says what was measured.
func printLegend(rows []*row) {
	seen := map[*system]bool{}
	fmt.Println("systems")
	for _, r := range rows {
		if seen[r.sys] {
			continue
		}
		seen[r.sys] = true
		name := r.sys.name
		if v := r.sys.version(); v != "" {
			name += " " + v
		}
		fmt.Printf("  %s\n", name)
		if r.sys.durable != "" {
			fmt.Printf("      durable: %s\n", r.sys.durable)
		}
		if r.sys.relaxed != "" {
			fmt.Printf("      otherwise: %s\n", r.sys.relaxed)
		}
	}
}
