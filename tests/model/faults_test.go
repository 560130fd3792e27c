package model

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestFaults has the n-th operation of the history fail, for each n, alone and
// together with every later one of its kind on its path. A sync that fails loses
// what it was to make durable, as in vfs.Crash.FailSync. In a third way the operation
// itself succeeds, and the system then fails to write the file back (vfs.Crash's
// FailWriteback), of which a later sync or close tells.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := sites{}
	t.Run("each", func(t *testing.T) {
		for name, cfg := range modes() {
			for _, how := range []string{"once", "sticky", "late"} {
				t.Run(name+"/"+how, func(t *testing.T) {
					t.Parallel()
					eachFault(t, 13, func(n int64) (bool, error) { return runFault(cfg, n, how, &s) })
				})
			}
		}
	})
	s.log(t)
}

// eachFault calls run for n = 1, 2, 3… (or each stride-th, without
// -model.full) until a run reports that it has no operation n.
func eachFault(t *testing.T, stride int64, run func(n int64) (bool, error)) {
	if *flagFull {
		stride = 1
	}
	runs, failures := 0, 0
	for n := int64(1); ; n += stride {
		hit, err := run(n)
		if err != nil {
			t.Errorf("operation %d: %v", n, err)
			if failures++; failures > 5 {
				t.Fatal("too many failures")
			}
		}
		if !hit {
			break
		}
		runs++
	}
	t.Logf("%d runs with a fault", runs)
}

// injected is a fault to come.
type injected struct {
	n     int64
	how   string // once, sticky, late
	count int64  // operations so far
	hit   vfs.Op
	site  string // who called
	disk  *vfs.Crash
	mu    sync.Mutex
}

func (i *injected) hook(op vfs.Op) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	if i.count == i.n {
		i.hit, i.site = op, callSite()
		if i.how == "late" {
			i.disk.FailWriteback(op.Name, i.n%2 == 0)
			return nil
		}
	} else if i.how != "sticky" || i.hit.Kind != op.Kind || i.hit.Name != op.Name {
		return nil
	}
	switch op.Kind {
	case vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync, vfs.OpSyncDir:
		i.disk.FailSync(op.Name)
	}
	return syscall.EIO
}

// runFault plays the history with a fault and checks what is left. It reports
// whether the fault came.
func runFault(cfg config, n int64, how string, s *sites) (hit bool, err error) {
	disk := newDisk(cfg.grain)
	in := &injected{n: n, how: how, disk: disk}
	fault := vfs.NewFault(disk, in.hook)
	p := newPlayer(cfg, fault)
	err = p.playAll()
	fault.SetHook(nil)
	in.mu.Lock()
	op := in.hit
	in.mu.Unlock()
	if op.Kind != "" {
		s.add(op, in.site)
	}
	if err == nil {
		err = p.aftermath(disk, how == "late")
	} else if p.node != nil {
		_ = p.node.Close()
	}
	if err != nil {
		err = fmt.Errorf("EIO (%s) at %s %s: %w", how, op.Kind, op.Name, err)
	}
	return op.Kind != "", err
}

// playAll plays the history as an application would that does not give up: errors
// are noted, an open that failed is tried again a few times. It returns broken
// promises only.
func (p *player) playAll() error {
	h := makeHistory()
	if !p.tryOpen() {
		return nil
	}
	for i := range h {
		err := p.play(&h[i])
		if err == nil {
			continue
		}
		if isWrong(err) {
			return fmt.Errorf("step %d (%s): %w", i, h[i].do, err)
		}
		if err := p.clear(err); err != nil {
			return fmt.Errorf("step %d (%s): %w", i, h[i].do, err)
		}
		if h[i].do == "reopen" {
			p.node = nil
			if p.lost != nil || !p.tryOpen() {
				return nil // aftermath settles the rest
			}
		}
	}
	p.node = nil // the last step has closed it
	return nil
}

func (p *player) tryOpen() bool {
	for range 3 {
		if p.open() == nil {
			return true
		}
	}
	return false
}

// clear checks that an error says what happened.
func (p *player) clear(err error) error {
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, pipeproc.ErrClosed),
		errors.Is(err, pipeproc.ErrInvalidTopic), errors.Is(err, pipeproc.ErrInvalidSequence): // of a command that failed before
	default:
		return wrongf("an error without its cause: %v", err)
	}
	if errors.Is(err, pipeproc.ErrOutcomeUnknown) && p.node.Err() == nil {
		return wrongf("the outcome is unknown and the node goes on: %v", err)
	}
	return nil
}

// aftermath checks the node that is still open, if one is, and what a kill, a
// power cut and a proper reopening find. late says that an earlier writeback may have
// failed of which nobody was told.
func (p *player) aftermath(disk *vfs.Crash, late bool) error {
	all := p.allCommands()
	if p.node != nil {
		if err := checkAll(p.node, p.st); err != nil {
			return fmt.Errorf("in the running node: %w", err)
		}
		defer p.node.Close()
	}
	find := func(how string, fs *vfs.Crash, lo int64) error {
		got, err := recoverPrefix(p.cfg, fs, all)
		if late && errors.Is(err, syscall.EIO) { // told to the first who syncs, once
			got, err = recoverPrefix(p.cfg, fs, all)
		}
		if err == nil && got < lo {
			err = fmt.Errorf("%d commands survived, want at least %d", got, lo)
		}
		if err != nil {
			return fmt.Errorf("%s (%d acknowledged, %d durable, unknown outcome: %v): %w", how, p.acked.Load(), p.durable.Load(), p.lost != nil, err)
		}
		return nil
	}
	again := disk.Kill()
	cut := disk.Crash(nothing)
	some := disk.Crash(vfs.RandomPick(uint64(len(all)), .5))
	if err := find("kill", disk.Kill(), p.acked.Load()); err != nil {
		return err
	}
	if err := find("power cut", cut, p.durable.Load()); err != nil {
		return err
	}
	if err := find("power cut, half survives", some, p.durable.Load()); err != nil {
		return err
	}
	if p.node != nil {
		_ = p.node.Close()
	}
	if err := find("reopening", disk, p.acked.Load()); err != nil {
		return err
	}
	// What an open has found is durable, whatever became of earlier syncs.
	var c clock
	c.ms.Store(1_700_000_030_000) // not so far ahead that an opening doubts it
	opt := historyOptions(p.cfg, again, &c)
	opt.OnEvent = func(e pipeproc.Event) {
		if e.Kind == pipeproc.EventOpened { // before it does anything by itself
			cut = again.Crash(nothing)
		}
	}
	n, err := pipeproc.Open(dir, opt)
	if late && errors.Is(err, syscall.EIO) {
		n, err = pipeproc.Open(dir, opt)
	}
	if err != nil {
		return fmt.Errorf("reopening, before a power cut: %w", err)
	}
	_ = n.Close()
	return find("power cut behind a reopening", cut, p.acked.Load())
}

// TestDiskFull has the disk be full for a while, from the n-th operation that
// needs space on, for each n. Commits go on when there is space again.
func TestDiskFull(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var poisoned int
			eachFault(t, 13, func(n int64) (bool, error) { return runFull(cfg, n, &poisoned) })
			t.Logf("the node gave up in %d of them", poisoned)
		})
	}
}

func needsSpace(op vfs.Op) bool {
	switch op.Kind {
	case vfs.OpPreallocate, vfs.OpWriteAt, vfs.OpCreate, vfs.OpMkdir:
		return true
	}
	return false
}

// runOut plays a history on a file system that runs out of something at the n-th
// operation that needs it. play clears out when there is some again.
func runOut(cfg config, n int64, needs func(vfs.Op) bool, want syscall.Errno, play func(p *player, out *atomic.Bool) error) (hit bool, err error) {
	disk := newDisk(cfg.grain)
	var out, came atomic.Bool
	var count atomic.Int64
	fault := vfs.NewFault(disk, func(op vfs.Op) error {
		if !needs(op) {
			return nil
		}
		if count.Add(1) == n {
			out.Store(true)
			came.Store(true)
		}
		if out.Load() {
			return fmt.Errorf("%s %s: %w", op.Kind, op.Name, want)
		}
		return nil
	})
	p := newPlayer(cfg, fault)
	err = play(p, &out)
	fault.SetHook(nil)
	if err == nil {
		err = p.aftermath(disk, false)
	} else if p.node != nil {
		_ = p.node.Close()
	}
	return came.Load(), err
}

func runFull(cfg config, n int64, poisoned *int) (hit bool, err error) {
	return runOut(cfg, n, needsSpace, syscall.ENOSPC, func(p *player, full *atomic.Bool) error { return p.playFull(full, poisoned) })
}

func (p *player) playFull(full *atomic.Bool, poisoned *int) error {
	open := func() error {
		err := p.open()
		if err == nil || !full.Load() {
			return err
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return wrongf("open on a full disk: %v", err)
		}
		full.Store(false)
		return p.open()
	}
	if err := open(); err != nil {
		return err
	}
	h := makeHistory()
	failed := 0
	for i := range h {
		err := p.play(&h[i])
		if isWrong(err) {
			return fmt.Errorf("step %d (%s): %w", i, h[i].do, err)
		}
		was := full.Load()
		if err != nil {
			switch {
			case p.node.Err() != nil && errors.Is(err, pipeproc.ErrLogFailed), errors.Is(err, pipeproc.ErrOutcomeUnknown):
				*poisoned++
				if h[i].do == "reopen" || h[i].do == "close" {
					p.node = nil
				}
				return nil
			case errors.Is(err, pipeproc.ErrInvalidTopic), errors.Is(err, pipeproc.ErrInvalidSequence):
			case !was:
				return fmt.Errorf("step %d (%s), with space again: %w", i, h[i].do, err)
			case !strings.Contains(err.Error(), "no space left on device"):
				return fmt.Errorf("step %d (%s): unclear: %w", i, h[i].do, err)
			case h[i].do == "commit" && !errors.Is(err, pipeproc.ErrNoSpace):
				return fmt.Errorf("step %d (%s): not ErrNoSpace: %w", i, h[i].do, err)
			}
		}
		if was {
			if failed++; failed >= 3 {
				full.Store(false)
			}
		}
		if err != nil && (h[i].do == "reopen" || h[i].do == "close") {
			full.Store(false)
			gone := p.node.Err() != nil
			_ = p.node.Close()
			p.node = nil
			if gone {
				*poisoned++
				return nil //nolint:nilerr // the node has said it before
			}
			if err := p.open(); err != nil {
				return fmt.Errorf("open with space again: %w", err)
			}
		} else if h[i].do == "close" {
			p.node = nil
		}
	}
	return nil
}

// TestFailedSync has each sync of a commit fail once. The node must take
// nothing more, however often it is asked.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	for _, kind := range []vfs.OpKind{vfs.OpSyncData, vfs.OpSync, vfs.OpMapSync} {
		for name, cfg := range modes() {
			disk := newDisk(cfg.grain)
			fault := vfs.NewFault(disk, nil)
			p := newPlayer(cfg, fault)
			if err := p.open(); err != nil {
				t.Fatal(err)
			}
			step := hstep{do: "commit", draft: &draft{topics: []string{"a"}, recs: []rec{{body: []byte("x")}}}}
			if err := p.play(&step); err != nil {
				t.Fatal(err)
			}
			var once atomic.Bool
			fault.SetHook(func(op vfs.Op) error {
				if op.Kind == kind && strings.Contains(op.Name, "/wal/") && once.CompareAndSwap(false, true) {
					return syscall.EIO
				}
				return nil
			})
			err := p.play(&step)
			if err == nil {
				err = p.play(&hstep{do: "sync"})
			} else if !errors.Is(err, pipeproc.ErrOutcomeUnknown) && !errors.Is(err, pipeproc.ErrLogFailed) {
				t.Errorf("%s/%s: commit whose sync failed: %v", name, kind, err)
			}
			if once.Load() && err == nil {
				// The failure may have hit a spare file that nothing depends on.
				if err := p.aftermath(disk, false); err != nil {
					t.Errorf("%s/%s: the failed sync was ignored: %v", name, kind, err)
				}
				_ = p.node.Close()
				continue
			}
			if once.Load() {
				for _, do := range []string{"commit", "sync", "checkpoint", "commit"} {
					s := step
					s.do = do
					if err := p.play(&s); !errors.Is(err, pipeproc.ErrLogFailed) {
						t.Errorf("%s/%s: %s after a failed sync: %v", name, kind, do, err)
					}
				}
				if !errors.Is(p.node.Err(), pipeproc.ErrLogFailed) {
					t.Errorf("%s/%s: Err is %v", name, kind, p.node.Err())
				}
			}
			if err := p.aftermath(disk, false); err != nil {
				t.Errorf("%s/%s: %v", name, kind, err)
			}
			_ = p.node.Close()
		}
	}
}
