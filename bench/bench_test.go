package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary act as the child of its own measurements.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childArg {
		os.Exit(childMain(os.Args[2]))
	}
	os.Exit(m.Run())
}

// TestSmoke runs each workload on each system with very few records, in
// separate processes as in a real run.
func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	o := &options{suite: "full", dir: dir, reps: 1, params: params{Scale: 0.00003}}
	s := &suite{o: o, dir: dir, fills: map[string]string{}}
	for _, w := range s.selected() {
		from := time.Now()
		rows, err := s.measure(w)
		t.Logf("%s: %v", w.id(), time.Since(from))
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(s.systems(w)) {
			t.Errorf("%s: %d rows", w.id(), len(rows))
		}
		for _, r := range rows {
			if r.Err != "" {
				t.Errorf("%s of %s: %s", w.id(), r.sys.name, r.Err)
			}
		}
		s.rows = append(s.rows, rows...)
	}
	path := filepath.Join(dir, "rows.json")
	if err := writeJSON(path, s.rows, machine(dir), time.Now()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	n := 0
	for ; dec.More(); n++ {
		var j jsonRow
		if err := dec.Decode(&j); err != nil {
			t.Fatal(err)
		}
		if j.Workload == "" || j.System == "" || j.N == 0 {
			t.Errorf("a row without its name or number: %+v", j)
		}
	}
	if n != len(s.rows) {
		t.Errorf("%d rows written, not %d", n, len(s.rows))
	}
	var table strings.Builder
	if err := show(&table, path); err != nil {
		t.Error(err)
	}
	for _, r := range s.rows {
		if r.Err == "" && (!strings.Contains(table.String(), r.w.id()) || !strings.Contains(table.String(), "| "+r.sys.name+" |")) {
			t.Errorf("%s of %s is not in the table", r.w.id(), r.sys.name)
		}
	}
	svg := filepath.Join(dir, "grow.svg")
	if err := writePlot(svg, s.rows); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(svg); err != nil || !strings.HasSuffix(string(b), "</svg>\n") || strings.Contains(string(b), "NaN") {
		t.Errorf("the plot is not whole: %v", err)
	}
}

// TestTargets: each target names a workload and a system that it is measured
// with.
func TestTargets(t *testing.T) {
	for _, target := range targets {
		w, err := workloadOf(target.workload, params{Scale: 1})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range []string{"pipeproc", target.against} {
			if name != "" && !slices.Contains(append(slices.Clone(w.quick), w.full...), name) {
				t.Errorf("%s is not measured with %s", w.id(), name)
			}
		}
	}
}

// TestNames: no two workloads have one name, and all systems are known.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range workloads(params{Scale: 1}) {
		if seen[w.id()] {
			t.Errorf("two workloads are called %s", w.id())
		}
		seen[w.id()] = true
		for _, name := range append(slices.Clone(w.quick), w.full...) {
			if _, err := systemOf(name); err != nil {
				t.Errorf("%s: %v", w.id(), err)
			}
		}
	}
}

func TestRatio(t *testing.T) {
	rows := func(rates ...float64) *row {
		r := &row{}
		for _, v := range rates {
			r.add(&result{N: int(v), Seconds: 1})
		}
		return r
	}
	// The disk was twice as fast in the second round: ratios compare figures of
	// the same round.
	if got := ratio(rows(10, 20, 10), rows(5, 10, 5), (*result).rate); got != 2 {
		t.Error(got)
	}
	if got := median([]float64{3, 1, 2, 10}); got != 2.5 {
		t.Error(got)
	}
}
