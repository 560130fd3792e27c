package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// childArg makes the program a child that does one measurement and prints it.
const childArg = "child"

// spec is a child's instructions.
type spec struct {
	Workload string
	System   string
	Phase    string // "" to measure, "fill" to prepare, or a phase that the workload names
	Dir      string
	Params   params
	Profile  string
	Args     []string // of a helper
}

// result is what a child answers.
type result struct {
	N       int
	Seconds float64
	Bytes   int64
	P50     float64 // µs
	P99     float64
	RSS     float64 // MB, the peak
	Disk    float64 // MB, after the store was closed
	Extra   map[string]float64
	Err     string `json:",omitempty"`
}

// job is one measurement in its process.
type job struct {
	spec
	w   *workload
	n   int // records
	sys *system
	res result

	began   time.Time
	cpu     time.Duration // used before
	took    []int64       // latencies in ns
	profile *os.File
}

func childMain(text string) int {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if f := helpers[s.Phase]; f != nil {
		if err := f(&s); err != nil {
			fmt.Fprintln(os.Stderr, s.Phase+":", err)
			return 1
		}
		return 0
	}
	j := job{spec: s, res: result{Extra: map[string]float64{}}}
	if err := j.do(); err != nil {
		j.res = result{Err: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(j.res); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// helpers are processes that a measurement starts, by phase.
var helpers = map[string]func(*spec) error{}

func (j *job) do() (err error) {
	if j.w, err = workloadOf(j.Workload, j.Params); err != nil {
		return err
	}
	j.n = j.w.n
	if j.sys, err = systemOf(j.System); err != nil {
		return err
	}
	if j.Phase == "fill" {
		if err := j.w.fill.make(j); err != nil {
			return err
		}
	} else if err := j.w.run(j); err != nil {
		return err
	}
	j.quantiles()
	if j.res.RSS == 0 {
		j.res.RSS = memory("VmHWM")
	}
	if j.res.Disk == 0 {
		j.res.Disk = diskUse(j.Dir)
	}
	return nil
}

// open opens the system of the job in its folder.
func (j *job) open() (store, error) { return j.sys.open(j.config()) }

func (j *job) config() config {
	w := j.w
	return config{dir: j.Dir, durable: w.durable, size: w.size, records: j.n, topics: max(w.topics, w.fill.topics), compress: w.compress,
		byTime: w.fill.byTime, serial: w.batch <= 1 && w.workers <= 1}
}

// start begins the measured time.
func (j *job) start() {
	runtime.GC()
	if j.Profile != "" {
		name := strings.NewReplacer("/", "_", ":", "_").Replace(j.Workload + "." + j.System)
		if f, err := os.Create(filepath.Join(j.Profile, name+".pprof")); err == nil {
			j.profile = f
			_ = pprof.StartCPUProfile(f)
		}
	}
	j.cpu = cpuTime()
	j.began = time.Now()
}

// stop ends it, for n records of the workload's size.
func (j *job) stop(n int) {
	j.res.Seconds = time.Since(j.began).Seconds()
	// A neighbour that takes processor time changes this less than the records per
	// second.
	j.res.Extra["cpu_ns"] = float64(cpuTime()-j.cpu) / float64(n)
	j.res.N = n
	j.res.Bytes = int64(n) * int64(j.w.size)
	if j.profile != nil {
		pprof.StopCPUProfile()
		j.profile.Close()
	}
}

// quantiles turns latencies into the reported figures.
func (j *job) quantiles() {
	if len(j.took) == 0 {
		return
	}
	slices.Sort(j.took)
	j.res.P50 = float64(j.took[len(j.took)/2]) / 1e3
	j.res.P99 = float64(j.took[len(j.took)*99/100]) / 1e3
}

// sampleEvery: of this many short calls one is timed, as reading the clock
// twice costs as much as a fast append.
const sampleEvery = 64
