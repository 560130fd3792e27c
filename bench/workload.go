package main

import (
	"fmt"
	"strconv"
)

// workload is one kind of work, measured for several systems.
type workload struct {
	name     string // as in the table
	variant  string // the difference from others of that name
	size     int    // bytes of a body
	n        int    // records
	batch    int
	workers  int
	topics   int
	durable  bool
	compress bool
	what     string
	quick    []string // systems in the suite quick; none: not part of it
	full     []string // further systems in the suite full
	reps     int      // at least
	once     bool     // slow or steady: one repetition
	order    int
	fill     fill
	// before are phases that run in their own processes before each measurement;
	// the one called "kill" kills itself when it is done.
	before []string
	run    func(j *job) error
}

// id names a workload uniquely.
func (w *workload) id() string {
	s := w.name
	if w.variant != "" {
		s += ":" + w.variant
	}
	if w.size != 0 {
		s += "/" + strconv.Itoa(w.size)
	}
	return s
}

// params change all workloads.
type params struct {
	Huge  bool    // grow continues to 10^8 records
	Scale float64 // of the numbers of records
}

// groups make the workloads; each file adds its own.
var groups []func(p params) []*workload

func workloads(p params) []*workload {
	var all []*workload
	for _, g := range groups {
		all = append(all, g(p)...)
	}
	for _, w := range all {
		w.n = p.scaled(w.n)
		w.fill.n = p.scaled(w.fill.n)
		if w.name != "atomic" {
			w.topics = min(w.topics, w.n/100) // each gets a batch
		}
	}
	return all
}

// scaled keeps batches whole.
func (p params) scaled(n int) int {
	if n == 0 || p.Scale == 1 {
		return n
	}
	return max(int(float64(n)*p.Scale)/100*100, 100)
}

func workloadOf(id string, p params) (*workload, error) {
	for _, w := range workloads(p) {
		if w.id() == id {
			return w, nil
		}
	}
	return nil, fmt.Errorf("unknown workload %q", id)
}

// fill says what must be in a folder before a measurement. Workloads with equal
// fills share the folder.
type fill struct {
	n      int // 0: nothing
	size   int
	topics int // 0: one
	byTime bool
	text   bool // real text
}

func (f fill) key(system string) string { return fmt.Sprint(system, f) }

// make writes the records in batches of 100, and closes the store.
func (f fill) make(j *job) error {
	j.n = f.n
	s, err := j.open()
	if err != nil {
		return err
	}
	write := f.write
	if f.text {
		write = f.writeText
	}
	if err := write(s); err != nil {
		s.Close()
		return err
	}
	return s.Close()
}

func (f fill) write(s store) error {
	list := make([][]byte, 100)
	b := newBodies(f.size)
	for left := f.n; left > 0; left -= len(list) {
		list = list[:min(left, 100)]
		b.fill(list)
		var err error
		if f.topics > 1 {
			err = s.(topicWriter).AppendTo(int(b.next/100)%f.topics, list)
		} else {
			err = s.(batcher).AppendBatch(list)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f fill) writeText(s store) error {
	pieces, err := text(f.size, f.n)
	if err != nil {
		return err
	}
	return writeText(s.(batcher), pieces, f.n)
}
