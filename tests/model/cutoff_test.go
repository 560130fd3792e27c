package model

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Power cuts and kills in the middle of one operation: before each operation on the
// file system that it makes, with every subset of what is unsynced then as long as
// there are few units, and a sample of subsets beyond.

// fewUnits is the largest number of unsynced units of which every subset is tried.
func fewUnits() int {
	if *flagFull {
		return 9
	}
	return 5
}

// cutStride is which of the points of long operations are tried without
// -model.full.
const cutStride = 4

// subsets returns the ways to cut the power at a disk: all of them, if complete.
func subsets(disk *vfs.Crash, seed uint64) (list []picker, complete bool) {
	type unit struct {
		vfs.Unit
		n int // of those that look the same
	}
	// counted gives pick the number of each unit among its like.
	counted := func(pick func(u unit) bool) func(vfs.Unit) bool {
		seen := map[vfs.Unit]int{}
		return func(u vfs.Unit) bool {
			seen[u]++
			return pick(unit{u, seen[u]})
		}
	}
	at := map[unit]int{}
	disk.Crash(counted(func(u unit) bool { at[u] = len(at); return true }))
	if len(at) <= fewUnits() {
		for set := range uint64(1) << len(at) {
			list = append(list, picker{fmt.Sprintf("set %b of %v", set, at), counted(func(u unit) bool {
				i, ok := at[u]
				return ok && set>>i&1 == 1
			})})
		}
		return list, true
	}
	list = []picker{
		{"none", func(vfs.Unit) bool { return false }},
		{"all", func(vfs.Unit) bool { return true }},
	}
	for x := range at {
		list = append(list,
			picker{fmt.Sprintf("only %v", x), counted(func(u unit) bool { return u == x })},
			picker{fmt.Sprintf("all but %v", x), counted(func(u unit) bool { return u != x })})
		if len(list) > 40 && !*flagFull {
			break
		}
	}
	for i := range uint64(6) {
		list = append(list, picker{fmt.Sprintf("random %d", i), vfs.RandomPick(seed*7+i, []float64{.2, .5, .8}[i%3])})
	}
	return list, false
}

// midway is an operation that is cut off.
type midway struct {
	t      *testing.T
	name   string
	dirs   []string // what the checks look at
	check  func(img *vfs.Crash) error
	stride int // of the points that are tried, without -model.full

	mu   sync.Mutex
	kept []*vfs.Crash
	seen map[uint64]bool

	points, complete, cuts, images, bad int
}

// watch returns a hook that keeps the state of disk before each operation on it.
func (m *midway) watch(disk *vfs.Crash) func(vfs.Op) error {
	m.seen, m.kept = map[uint64]bool{}, nil
	changed := true
	return func(o vfs.Op) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if changed {
			m.kept = append(m.kept, disk.Kill())
		}
		changed = changes(o)
		return nil
	}
}

// settle checks the images that power cuts and a kill leave of each kept state, and
// of end.
func (m *midway) settle(end *vfs.Crash) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := append(m.kept, end)
	for i, d := range kept {
		if m.stride > 1 && !*flagFull && i%m.stride != 0 && i < len(kept)-1 {
			continue
		}
		m.points++
		list, complete := subsets(d, uint64(i))
		if complete {
			m.complete++
		}
		for _, k := range list {
			m.cuts++
			m.look(d.Crash(k.pick), fmt.Sprintf("point %d of %d, power cut, survivors: %s", i, len(kept), k.name), false)
		}
		m.look(d, fmt.Sprintf("point %d of %d, kill", i, len(kept)), true)
	}
}

// run runs op on disk, and checks all images.
func (m *midway) run(disk *vfs.Crash, op func(fs *vfs.Fault) error) {
	m.t.Helper()
	fault := vfs.NewFault(disk, m.watch(disk))
	if err := op(fault); err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	fault.SetHook(nil)
	m.settle(disk.Kill())
}

// look checks an image, unless an equal one has been checked.
func (m *midway) look(img *vfs.Crash, how string, killed bool) {
	if m.bad > 4 {
		return
	}
	if !killed { // else what is unsynced makes images differ that look the same
		key := uint64(0)
		for _, d := range m.dirs {
			key = key*31 + fingerprint(img, d)
		}
		if m.seen[key] {
			return
		}
		m.seen[key] = true
	}
	m.images++
	listing := ""
	for _, d := range m.dirs {
		listing += dump(img, d)
	}
	if err := m.check(img); err != nil {
		m.bad++
		m.t.Errorf("%s, %s: %v\n%s", m.name, how, err, listing)
	}
}

func (m *midway) done() {
	m.t.Logf("%s: cut off at %d points, at %d of them with every subset of what was unsynced: %d cuts, %d different images opened", m.name, m.points, m.complete, m.cuts, m.images)
}

// TestCutOffCheckpoint interrupts the checkpoints, closings and reopenings of the
// history.
func TestCutOffCheckpoint(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newDisk(cfg.grain)
			fault := vfs.NewFault(disk, nil)
			p := newPlayer(cfg, fault)
			if err := p.open(); err != nil {
				t.Fatal(err)
			}
			m := &midway{t: t, name: name + " checkpoint", dirs: []string{dir}, stride: cutStride}
			h, all := makeHistory(), expected(cfg)
			for i := range h {
				switch h[i].do {
				case "checkpoint", "close", "reopen":
				default:
					if err := p.play(&h[i]); err != nil {
						t.Fatal(err)
					}
					continue
				}
				lo, cmds := p.durable.Load(), all[:len(p.cmds)]
				if h[i].do == "reopen" { // which is followed by what it wakes
					cmds = all[:len(p.cmds)+len(p.st.wakes(p.clock.ms.Load()))]
				}
				m.check = func(img *vfs.Crash) error { return m.prefix(cfg, img, cmds, lo) }
				fault.SetHook(m.watch(disk))
				err := p.play(&h[i])
				fault.SetHook(nil)
				if err != nil {
					t.Fatal(err)
				}
				m.settle(disk.Kill())
			}
			m.done()
		})
	}
}

// TestCutOffRecovery interrupts the opening of what kills and power cuts leave.
func TestCutOffRecovery(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &midway{t: t, name: name + " recovery", dirs: []string{dir}, stride: cutStride}
			disk := newDisk(cfg.grain)
			p := newPlayer(cfg, disk)
			if err := p.open(); err != nil {
				t.Fatal(err)
			}
			h := makeHistory()
			for i := range h {
				if err := p.play(&h[i]); err != nil {
					t.Fatal(err)
				}
				if h[i].do == "close" || i%27 != 26 && (!*flagFull || i%3 != 2) {
					continue
				}
				lo, cmds := p.durable.Load(), p.cmds
				for _, img := range []*vfs.Crash{disk.Kill(), disk.Crash(nothing), disk.Crash(vfs.RandomPick(uint64(i), .5))} {
					m.check = func(img *vfs.Crash) error { return m.prefix(cfg, img, cmds, lo) }
					m.settle(openOnly(t, cfg, img, m.watch(img)))
				}
			}
			m.done()
		})
	}
}

// prefix demands that img holds the state after some prefix of cmds, of at least lo
// commands.
func (m *midway) prefix(cfg config, img *vfs.Crash, cmds []command, lo int64) error {
	got, err := recoverPrefix(cfg, img, cmds)
	if err == nil && got < lo {
		err = fmt.Errorf("%d commands survived, want %d", got, lo)
	}
	return err
}

// openOnly opens a store and returns the disk as it is when the store is open: what
// the node does by itself afterwards is not part of it.
func openOnly(t *testing.T, cfg config, disk *vfs.Crash, hook func(vfs.Op) error) (end *vfs.Crash) {
	t.Helper()
	fault := vfs.NewFault(disk, hook)
	var c clock
	c.ms.Store(1_700_000_030_000) // not so far ahead that an opening doubts it
	o := historyOptions(cfg, fault, &c)
	o.OnEvent = func(e pipeproc.Event) {
		if e.Kind == pipeproc.EventOpened {
			fault.SetHook(nil)
			end = disk.Kill()
		}
	}
	n, err := pipeproc.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	_ = n.Close()
	return end
}
