package main

import (
	"encoding/json"
	"math"
	"os"
	"time"
)

// jsonRow is a row in the output, one object per line.
type jsonRow struct {
	Workload string  `json:"workload"`
	System   string  `json:"system"`
	Variant  string  `json:"variant"` // the workload's, then the system's
	Size     int     `json:"size"`
	Rate     float64 `json:"records_per_s"`
	MB       float64 `json:"mb_per_s"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	RSS      float64 `json:"rss_mb"`
	Disk     float64 `json:"disk_mb"`
	N        int     `json:"n"`

	Rounds  []float64          `json:"rounds"` // records/s of each
	Extra   map[string]float64 `json:"extra,omitempty"`
	Error   string             `json:"error,omitempty"`
	Version string             `json:"version,omitempty"`
	Durable string             `json:"durable,omitempty"` // what it means here
	Machine string             `json:"machine"`
	Date    string             `json:"date"`
	Command string             `json:"command"`
}

func writeJSON(path string, rows []*row, machine string, at time.Time) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r.json(machine, at)); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

func (r *row) json(machine string, at time.Time) jsonRow {
	name, variant := split(r.sys.name)
	if r.w.variant != "" {
		if variant != "" {
			variant = ", " + variant
		}
		variant = r.w.variant + variant
	}
	j := jsonRow{Workload: r.w.name, System: name, Variant: variant, Size: r.w.size, Rate: round(r.rate), MB: round(r.mb), P50: round(r.p50),
		P99: round(r.p99), RSS: round(r.rss), Disk: round(r.disk), N: r.n, Error: r.Err, Version: r.sys.version(),
		Machine: machine, Date: at.UTC().Format(time.RFC3339), Command: invocation()}
	if r.w.durable {
		j.Durable = r.sys.durable
	}
	for _, res := range r.results {
		j.Rounds = append(j.Rounds, round(res.rate()))
	}
	if len(r.extra) > 0 {
		j.Extra = map[string]float64{}
		for k, v := range r.extra {
			j.Extra[k] = round(v)
		}
	}
	return j
}

// round keeps four significant digits.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	p := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*p) / p
}
