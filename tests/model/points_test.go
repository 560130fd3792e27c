package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// point is the disk at one operation of a history, as a killed process would
// leave it, and what was known then.
type point struct {
	disk                  *vfs.Crash
	acked, durable, tried int64
	op                    vfs.Op
}

// picker names a way of choosing what survives a power cut.
type picker struct {
	name string
	pick func(vfs.Unit) bool
}

// pickers returns the ways to cut the power at p: nothing survives, everything
// does, each unit alone and all but each unit for small numbers of them, and
// random choices.
func (p *point) pickers(seed uint64, exhaustive bool) []picker {
	var units []vfs.Unit
	plain := seed%4 < 2
	if !plain {
		p.disk.Stale = staleOf(p.disk)
	}
	p.disk.Crash(func(u vfs.Unit) bool {
		if u.Version == 0 || !plain {
			units = append(units, u)
		}
		return false
	})
	list := []picker{
		{"none", func(vfs.Unit) bool { return false }},
		{"all", func(vfs.Unit) bool { return true }},
	}
	if n := len(units); n <= 1 {
		return list
	}
	random := func(seed uint64, chance float64) func(vfs.Unit) bool {
		pick := vfs.RandomPick(seed, chance)
		if !plain {
			return pick
		}
		return func(u vfs.Unit) bool { return u.Version == 0 && pick(u) }
	}
	if len(units) <= 10 && exhaustive {
		for _, x := range units {
			list = append(list,
				picker{fmt.Sprintf("only %v", x), func(u vfs.Unit) bool { return u == x }},
				picker{fmt.Sprintf("all but %v", x), func(u vfs.Unit) bool { return u != x && (u.Version == 0 || !plain) }})
		}
		return list
	}
	chances := []float64{.2, .5, .8}
	if !exhaustive {
		chances = chances[seed%3:][:1]
	}
	for i, c := range chances {
		list = append(list, picker{fmt.Sprintf("random %.1f", c), random(seed+uint64(i), c)})
	}
	return list
}

var hashSeed = maphash.MakeSeed()

// fingerprint sums up all that is on a disk on which everything is durable.
func fingerprint(fs vfs.FS, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	var walk func(name string)
	walk = func(name string) {
		infos, _ := fs.ReadDir(name)
		for _, i := range infos {
			path := name + "/" + i.Name
			fmt.Fprintf(&h, "%s %d\n", path, i.Size)
			if i.Dir {
				walk(path)
				continue
			}
			f, err := fs.Open(path, vfs.Read)
			if err != nil {
				continue
			}
			b := make([]byte, i.Size)
			_, _ = f.ReadAt(b, 0)
			_, _ = h.Write(b)
			_ = f.Close()
		}
	}
	walk(name)
	return h.Sum64()
}

// changes reports whether an operation changes what is on disk.
func changes(op vfs.Op) bool {
	switch op.Kind {
	case vfs.OpOpen, vfs.OpOpenDir, vfs.OpReadDir, vfs.OpStat, vfs.OpLock, vfs.OpFree, vfs.OpReadAt, vfs.OpSize, vfs.OpMap, vfs.OpUnmap, vfs.OpClose:
		return false
	}
	return true
}

// TestCrashPoints cuts the power, and kills the process, before each operation
// of the fixed history, and opens what is left, in many variants.
func TestCrashPoints(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashPoints(t, cfg)
		})
	}
}

// verdicts remembers what was found in equal images.
type verdicts struct {
	mu   sync.Mutex
	seen map[uint64]int64
}

// sampled is how many crash points are passed over for each that is tried,
// without -model.full.
const sampled = 5

func crashPoints(t *testing.T, cfg config) {
	disk := newDisk(cfg.grain)
	disk.KeepVersions(3)
	queue := make(chan point, 2)
	var points int
	var p *player
	var changed atomic.Bool
	var total int64
	var mu sync.Mutex
	changed.Store(true)
	take := func(op vfs.Op) {
		pt := point{acked: p.acked.Load(), durable: p.durable.Load(), op: op}
		pt.disk = disk.Kill()
		pt.tried = p.tried.Load()
		queue <- pt
	}
	hook := func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		total++
		disk.Observe()
		// Before an operation that follows one that changes nothing, the disk
		// is as it was before that one.
		if changed.Swap(changes(op)) {
			if points++; *flagFull || points%sampled == 0 {
				take(op)
			}
		}
		return nil
	}
	fault := vfs.NewFault(disk, hook)
	p = newPlayer(cfg, fault)
	var v verdicts
	v.seen = map[uint64]int64{}
	var cuts, opened atomic.Int64
	var wg sync.WaitGroup
	var failures atomic.Int64
	cmds := expected(cfg)
	for w := range 2 {
		wg.Go(func() {
			n := uint64(w)
			for pt := range queue {
				if failures.Load() > 5 {
					continue
				}
				n += 2
				if err := pt.verify(cfg, cmds, n, &v, &cuts, &opened); err != nil {
					failures.Add(1)
					t.Errorf("at %s %s (operation %d, %d acknowledged, %d durable): %v", pt.op.Kind, pt.op.Name, pt.op.N, pt.acked, pt.durable, err)
				}
			}
		})
	}
	err := p.open()
	for i, s := range makeHistory() {
		if err != nil {
			t.Errorf("step %d: %v", i, err)
			break
		}
		err = p.play(&s)
		take(vfs.Op{Kind: "between steps"}) // stores into a mapped log are no operations
	}
	close(queue)
	wg.Wait()
	if err == nil && len(p.cmds) != len(cmds) {
		t.Fatalf("%d commands, %d expected", len(p.cmds), len(cmds))
	}
	t.Logf("%d operations, %d crashes, %d different images opened", total, cuts.Load(), opened.Load())
}

// expected returns the commands of the history, which do not depend on what
// the store does.
func expected(cfg config) []command {
	p := newPlayer(cfg, nil)
	for _, s := range makeHistory() {
		p.clock.ms.Add(7)
		cs := []*command{{topic: s.topic, ms: p.st.at(p.clock.ms.Load())}}
		c := cs[0]
		switch s.do {
		case "commit":
			*c, _ = p.st.commit(s.draft, p.clock.ms.Load())
		case "create":
			c.kind, c.opts = kCreate, s.opts
		case "delete":
			c.kind = kDelete
		case "prune":
			c.kind, c.first = kPrune, s.first
		case "sync", "checkpoint", "close":
			continue
		case "reopen":
			cs = p.st.wakes(p.clock.ms.Load())
		default:
			cs[0], _ = p.st.procStep(&s, p.clock.ms.Load())
		}
		for _, c := range cs {
			if c != nil {
				p.cmds = append(p.cmds, *c)
				p.st.apply(c)
			}
		}
	}
	return p.cmds
}

// verify opens the images of a point and checks what is in them.
func (p *point) verify(cfg config, cmds []command, seed uint64, v *verdicts, cuts, opened *atomic.Int64) error {
	cmds = cmds[:p.tried:p.tried]
	check := func(how string, disk *vfs.Crash, lo int64, unique bool) error {
		cuts.Add(1)
		var key uint64
		if !unique {
			key = fingerprint(disk, dir)
			v.mu.Lock()
			got, ok := v.seen[key]
			v.mu.Unlock()
			if ok {
				if got < lo || got > p.tried {
					return fmt.Errorf("%s: %d commands survived, want %d to %d", how, got, lo, p.tried)
				}
				return nil
			}
		}
		opened.Add(1)
		got, err := recoverPrefix(cfg, disk, cmds)
		if err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		if got < lo {
			return fmt.Errorf("%s: %d commands survived, want %d to %d", how, got, lo, p.tried)
		}
		if !unique {
			v.mu.Lock()
			v.seen[key] = got
			v.mu.Unlock()
		}
		return nil
	}
	exhaustive := *flagFull || seed%8 < 2
	for _, k := range p.pickers(seed, exhaustive) {
		if err := check("power cut, survivors: "+k.name, p.disk.Crash(k.pick), p.durable, false); err != nil {
			return err
		}
	}
	return check("kill", p.disk, p.acked, true)
}

// dump lists the files of a disk, for failure messages.
func dump(fs vfs.FS, name string) string {
	var b strings.Builder
	var walk func(name string)
	walk = func(name string) {
		infos, _ := fs.ReadDir(name)
		slices.SortFunc(infos, func(a, b vfs.Info) int { return strings.Compare(a.Name, b.Name) })
		for _, i := range infos {
			fmt.Fprintf(&b, "  %s/%s %d\n", name, i.Name, i.Size)
			if i.Dir {
				walk(name + "/" + i.Name)
			}
		}
	}
	walk(name)
	return b.String()
}
