package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// suite runs measurements, each in its own process.
type suite struct {
	o     *options
	dir   string
	fills map[string]string // filled folders by their contents
	rows  []*row
}

func runSuite(o *options) error {
	dir, err := os.MkdirTemp(o.dir, "pipeproc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &suite{o: o, dir: dir, fills: map[string]string{}}
	began := time.Now()
	if inMemory(dir) {
		fmt.Println("this folder is in memory: durable means nothing here; -dir names another one")
	}
	fmt.Printf("%s, %s\n%s\n\n", began.UTC().Format("2006-01-02 15:04"), machine(dir), invocation())
	list := s.selected()
	if len(list) == 0 {
		return errors.New("no workload has such a name; -list lists them")
	}
	for i, w := range list {
		rows, err := s.measure(w)
		if err != nil {
			return err
		}
		printRows(w, rows)
		s.rows = append(s.rows, rows...)
		if o.json != "" { // after each, so that a run that is broken off has told something
			if err := writeJSON(o.json, s.rows, machine(dir), began); err != nil {
				return err
			}
		}
		if i+1 == len(list) || list[i+1].fill != w.fill {
			s.forget()
		}
	}
	printLegend(s.rows)
	printTargets(s.rows)
	if o.plot != "" {
		if err := writePlot(o.plot, s.rows); err != nil {
			return err
		}
	}
	fmt.Printf("\n%.0f s\n", time.Since(began).Seconds())
	return nil
}

// invocation is the command as given, without the names of files and folders,
// which are private to the machine.
func invocation() string {
	words := []string{"go run ."}
	for i := 1; i < len(os.Args); i++ {
		name, _, whole := strings.Cut(strings.TrimLeft(os.Args[i], "-"), "=")
		if strings.HasPrefix(os.Args[i], "-") && slices.Contains([]string{"json", "plot", "dir", "cpuprofile"}, name) {
			if !whole {
				i++
			}
			continue
		}
		words = append(words, os.Args[i])
	}
	return strings.Join(words, " ")
}

// selected returns the workloads of the suite that the flags select, with equal
// fills next to each other.
func (s *suite) selected() []*workload {
	var list []*workload
	for _, w := range workloads(s.o.params) {
		if len(s.systems(w)) == 0 {
			continue
		}
		if len(s.o.only) > 0 && !slices.ContainsFunc(s.o.only, func(n string) bool { return strings.HasPrefix(w.id(), n) }) {
			continue
		}
		list = append(list, w)
	}
	first := map[fill]int{}
	for i, w := range list {
		if _, ok := first[w.fill]; !ok || w.fill.n == 0 {
			first[w.fill] = i
		}
		w.order = i
		if w.fill.n > 0 {
			w.order = first[w.fill]
		}
	}
	slices.SortStableFunc(list, func(a, b *workload) int { return a.order - b.order })
	return list
}

func (s *suite) systems(w *workload) []string {
	list := w.quick
	if s.o.suite == "full" {
		list = append(slices.Clone(w.quick), w.full...)
	}
	if len(s.o.systems) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !slices.Contains(s.o.systems, n) })
	}
	return list
}

// measure alternates the systems, A B A B, so that a change in the disk's speed
// or in a neighbour's load affects all of them.
func (s *suite) measure(w *workload) ([]*row, error) {
	names := s.systems(w)
	rows := make([]*row, len(names))
	for i, n := range names {
		sys, err := systemOf(n)
		if err != nil {
			return nil, err
		}
		rows[i] = newRow(w, sys)
	}
	reps := s.o.reps
	if reps == 0 {
		reps = max(w.reps, 3)
		if w.once {
			reps = 1
		}
	}
	for range reps {
		for i, n := range names {
			if rows[i].Err != "" {
				continue // it would fail again
			}
			res, err := s.one(w, n)
			if err != nil {
				return nil, err
			}
			rows[i].add(res)
		}
	}
	for _, r := range rows {
		r.finish()
	}
	return rows, nil
}

// one measures once.
func (s *suite) one(w *workload, system string) (*result, error) {
	dir, err := s.folder(w, system)
	if err != nil {
		return nil, err
	}
	if w.fill.n == 0 {
		defer os.RemoveAll(dir) // at once: deleted data is not written to the disk
	}
	sp := spec{Workload: w.id(), System: system, Dir: dir, Params: s.o.params}
	for _, phase := range w.before {
		sp.Phase = phase
		if res, err := child(&sp); err != nil || res.Err != "" {
			return res, err
		}
		syncDisk(dir)
	}
	sp.Phase = ""
	sp.Profile = s.o.cpu
	return child(&sp)
}

// folder returns a new folder, or the one that holds the workload's fill.
func (s *suite) folder(w *workload, system string) (string, error) {
	if w.fill.n == 0 {
		return os.MkdirTemp(s.dir, "run-")
	}
	key := w.fill.key(system)
	if dir := s.fills[key]; dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp(s.dir, "fill-")
	if err != nil {
		return "", err
	}
	res, err := child(&spec{Workload: w.id(), System: system, Dir: dir, Phase: "fill", Params: s.o.params})
	if err == nil && res.Err != "" {
		err = fmt.Errorf("%s: filling %s: %s", w.id(), system, res.Err)
	}
	if err != nil {
		return "", err
	}
	syncDisk(dir)
	s.fills[key] = dir
	return dir, nil
}

// forget removes the filled folders.
func (s *suite) forget() {
	for key, dir := range s.fills {
		os.RemoveAll(dir)
		delete(s.fills, key)
	}
}

// childTime is the time after which a measurement has failed.
const childTime = 20 * time.Minute

// child runs a measurement in its own process.
func child(sp *spec) (*result, error) {
	text, err := json.Marshal(sp)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, childArg, string(text))
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	timer := time.AfterFunc(childTime, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	err = c.Run()
	if sp.Phase == "kill" && killed(err) {
		return &result{}, nil
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return &result{Err: fmt.Sprintf("%v: %s", err, strings.Join(lines[:min(len(lines), 6)], " | "))}, nil
	}
	res := new(result)
	if err := json.Unmarshal(out.Bytes(), res); err != nil {
		return nil, fmt.Errorf("%s of %s answered %q: %w", sp.System, sp.Workload, filepath.Base(out.String()), err)
	}
	return res, nil
}

func killed(err error) bool {
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	ws, ok := e.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}
