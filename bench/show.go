package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// show prints the rows of a JSON file as a table in Markdown, for README.md.
func show(out io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	last := ""
	for first := true; ; first = false {
		var j jsonRow
		if err := dec.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if first {
			fmt.Fprintf(out, "`%s`, %s, %s:\n\n", j.Command, j.Date[:10], j.Machine)
			fmt.Fprintln(out, "| work | system | records/s | p50 / p99 µs | rss MB | disk MB | |\n| --- | --- | --- | --- | --- | --- | --- |")
		}
		work, system := j.names()
		if work == last {
			work = ""
		} else {
			last = work
		}
		if j.Error != "" {
			fmt.Fprintf(out, "| %s | %s | %s | | | | |\n", work, system, j.Error)
			continue
		}
		latency := ""
		if j.P50 > 0 {
			latency = few(j.P50) + " / " + few(j.P99)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s |\n", work, system, short(j.Rate), latency, few(j.RSS), few(j.Disk),
			strings.TrimSpace(notes(j.Extra)))
	}
}

// names returns the workload and the system with their variants.
func (j *jsonRow) names() (work, system string) {
	work, system = j.Workload, j.System
	for _, w := range workloads(params{Scale: 1, Huge: true}) {
		if w.name != j.Workload || w.size != j.Size {
			continue
		}
		if rest, ok := strings.CutPrefix(j.Variant, w.variant); ok && (rest == "" || w.variant == "" || strings.HasPrefix(rest, ", ")) {
			work = w.id()
			if rest = strings.TrimPrefix(rest, ", "); rest != "" {
				system += ":" + rest
			}
			if _, err := systemOf(system); err == nil {
				return work, system
			}
			system = j.System
		}
	}
	return work, system
}
