package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// The fixed history: some 40 commits over 4 topics, with checkpoints, prunes, a
// deletion, a topic made again, a close and a reopening, and some 40 commands
// about procs in between. It is small enough to be cut at each of its operations.

// hstep is one step of the history.
type hstep struct {
	do    string // commit, create, delete, prune, sync, checkpoint, reopen; see prochistory_test.go for procs
	draft *draft
	topic string
	opts  pipeproc.TopicOptions
	first uint64

	name   string // of a proc
	proc   pipeproc.ProcOptions
	system pipeproc.SystemProcOptions
	offset string
	policy pipeproc.Retention
}

// makeHistory returns the history, always the same.
func makeHistory() []hstep {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"alpha", "beta", "gamma", "delta"}
	var h []hstep
	k := 0 // steps that are not about procs
	add := func(steps ...hstep) {
		h = append(h, steps...)
		k += len(steps)
	}
	commit := func(n int, sizes ...int) {
		d := &draft{}
		for i := range n {
			d.topics = append(d.topics, names[(k+i)%len(names)])
			d.recs = append(d.recs, rec{body: fill(r, sizes[i%len(sizes)], i%2 == 0)})
		}
		add(hstep{do: "commit", draft: d})
	}
	few := func(n int) {
		for i := range n {
			commit(1+(k+i)%5, 100, 0, 700)
		}
	}
	few(5)
	h = append(h, procSteps[0]...)
	add(hstep{do: "create", topic: "zipped", opts: pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd}})
	names[3] = "zipped"
	few(4)
	commit(3, 30<<10)
	h = append(h, procSteps[1]...)
	add(hstep{do: "sync"}, hstep{do: "checkpoint"})
	few(3)
	commit(4, 20<<10, 5<<10)
	add(hstep{do: "prune", topic: "alpha", first: 4})
	few(3)
	h = append(h, procSteps[2]...)
	add(hstep{do: "delete", topic: "beta"}, hstep{do: "checkpoint"})
	few(4)
	commit(2, 40<<10)
	h = append(h, procSteps[3]...)
	add(hstep{do: "reopen"})
	h = append(h, procSteps[4]...)
	few(5)
	add(hstep{do: "prune", topic: "gamma", first: 6})
	commit(4, 25<<10)
	few(3)
	h = append(h, procSteps[5]...)
	add(hstep{do: "checkpoint"})
	few(5)
	add(hstep{do: "close"})
	return h
}

// player runs a history on one file system and keeps track of it as life does.
type player struct {
	cfg   config
	fs    vfs.FS
	clock clock
	node  *pipeproc.Node
	cmds  []command
	st    *state
	// lost is a command whose outcome is unknown.
	lost *command

	acked, durable, tried atomic.Int64
}

func newPlayer(cfg config, fs vfs.FS) *player {
	p := &player{cfg: cfg, fs: fs, st: newState(cfg.topic)}
	p.clock.ms.Store(1_700_000_000_000)
	return p
}

func historyOptions(cfg config, fs vfs.FS, c *clock) *pipeproc.Options {
	return &pipeproc.Options{Sync: cfg.mode, WALSize: cfg.walSize, Topic: cfg.topic, MaxBody: maxBody, MaxBatch: maxBatch, Clock: c.now, FS: fs, GC: byHand}
}

// open opens the store. An ephemeral proc ends then, unless a fault prevents that.
func (p *player) open() error {
	o, opt := newOpening(), historyOptions(p.cfg, p.fs, &p.clock)
	opt.OnEvent = o.event
	all := p.acked.Load()
	wakes := p.st.wakes(p.clock.ms.Load())
	p.tried.Store(all + int64(len(wakes)))
	n, err := pipeproc.Open(dir, opt)
	if err != nil {
		p.tried.Store(all)
		return err
	}
	p.node = n
	p.durable.Store(all)
	more := int64(n.Stats().Position) - o.found.Load()
	if more > int64(len(wakes)) {
		return wrongf("%d commands follow from opening, want %d at most", more, len(wakes))
	}
	for _, c := range wakes[:more] {
		p.cmds = append(p.cmds, *c)
		p.st.apply(c)
	}
	p.tried.Store(all + more)
	p.acked.Store(all + more)
	return nil
}

// play runs one step. The error is the node's, or a *wrongError when the node
// did something that it must not do.
func (p *player) play(s *hstep) error {
	p.clock.ms.Add(7)
	now := p.clock.ms.Load()
	always := p.cfg.mode == pipeproc.SyncAlways
	c := command{topic: s.topic, ms: max(now, p.st.floor)}
	switch s.do {
	case "commit":
		b := s.draft.batch()
		c, ids := p.st.commit(s.draft, now)
		err := p.write(c, always, func() error { return p.node.CommitBatch(bg, b) })
		if err != nil {
			return err
		}
		for i, id := range b.IDs() {
			if id != ids[i] {
				return wrongf("id %d is %v, want %v", i, id, ids[i])
			}
		}
		return nil
	case "create":
		c.kind, c.opts = kCreate, s.opts
		return p.write(c, always, func() error { return p.node.CreateTopic(bg, s.topic, s.opts) })
	case "delete":
		c.kind = kDelete
		return p.write(c, always, func() error { return p.node.DeleteTopic(bg, s.topic) })
	case "prune":
		c.kind, c.first = kPrune, s.first
		return p.write(c, always, func() error { return p.node.Prune(bg, s.topic, s.first) })
	case "sync":
		return p.safe(p.node.Sync(bg))
	case "checkpoint":
		return p.safe(p.node.Checkpoint(bg))
	case "close":
		return p.safe(p.node.Close())
	case "reopen":
		if err := p.safe(p.node.Close()); err != nil {
			return err
		}
		if err := p.open(); err != nil {
			return err
		}
		if r := p.node.Recovery(); !r.Clean || len(r.Damage) > 0 {
			return wrongf("recovery after a clean close: %+v", r)
		}
		return nil
	}
	return p.playProc(s, now)
}

// safe notes that all is durable unless err says otherwise.
func (p *player) safe(err error) error {
	if err == nil {
		p.durable.Store(p.acked.Load())
	}
	return err
}

func (p *player) write(c command, durable bool, fn func() error) error {
	pos := int64(len(p.cmds)) + 1
	p.tried.Store(pos)
	err := fn()
	switch {
	case err == nil:
		if p.lost != nil {
			return wrongf("acknowledged behind a commit of unknown outcome")
		}
		p.cmds = append(p.cmds, c)
		p.st.apply(&c)
		p.acked.Store(pos)
		if durable {
			p.durable.Store(pos)
		}
	case errors.Is(err, pipeproc.ErrOutcomeUnknown):
		if p.lost != nil {
			return wrongf("two unknown outcomes in one life")
		}
		p.lost = &c
	case p.lost == nil:
		p.tried.Store(pos - 1)
	}
	return err
}

// wrongError says that a promise was broken.
type wrongError struct{ what string }

func (e *wrongError) Error() string { return e.what }

func wrongf(format string, a ...any) error { return &wrongError{fmt.Sprintf(format, a...)} }

func isWrong(err error) bool { return errors.As(err, new(*wrongError)) }

// afterCrash is what is committed to a recovered store: enough for a segment
// file.
var afterCrash = make([]byte, 20<<10)

// recoverPrefix opens what is on fs, checks that it is the state after some prefix of
// cmds, and returns its length.
func recoverPrefix(cfg config, fs vfs.FS, cmds []command) (got int64, err error) {
	var c clock
	c.ms.Store(1_700_000_030_000) // not so far ahead that an opening doubts it
	o, opt := newOpening(), historyOptions(cfg, fs, &c)
	opt.OnEvent = o.event
	n, err := pipeproc.Open(dir, opt)
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	defer func() {
		if cerr := n.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close after recovery: %w", cerr)
		}
	}()
	if r := n.Recovery(); len(r.Damage) > 0 {
		return 0, fmt.Errorf("damage reported: %v", r.Damage)
	}
	if err := n.Err(); err != nil {
		return 0, fmt.Errorf("the node takes no writes: %w", err)
	}
	got = o.found.Load()
	if got > int64(len(cmds)) {
		return got, fmt.Errorf("%d commands survived of %d", got, len(cmds))
	}
	st := fold(cfg.topic, cmds[:got])
	wakes := st.wakes(c.ms.Load())
	for _, w := range wakes {
		st.apply(w)
	}
	if p := int64(n.Stats().Position); p != got+int64(len(wakes)) {
		return got, fmt.Errorf("position %d after %d commands and %d that follow from opening", p, got, len(wakes))
	}
	if err := checkAll(n, st); err != nil {
		return got, fmt.Errorf("after %d commands: %w", got, err)
	}
	// It must be usable, too.
	d := &draft{topics: []string{"alpha"}, recs: []rec{{body: afterCrash}}}
	want, ids := st.commit(d, c.ms.Load())
	b := d.batch()
	if err := n.CommitBatch(bg, b); err != nil {
		return got, fmt.Errorf("commit after recovery: %w", err)
	}
	if b.IDs()[0] != ids[0] {
		return got, fmt.Errorf("commit after recovery: id %v, want %v", b.IDs()[0], ids[0])
	}
	st.apply(&want)
	return got, checkTopic(n, st, "alpha")
}

// allCommands returns the commands of a player, the lost one included.
func (p *player) allCommands() []command {
	if p.lost == nil {
		return p.cmds
	}
	return append(p.cmds[:len(p.cmds):len(p.cmds)], *p.lost)
}

// modes are the configurations of the history tests.
func modes() map[string]config {
	t := pipeproc.TopicOptions{SegmentSize: 64 << 10}
	return map[string]config{
		"always":   {mode: pipeproc.SyncAlways, grain: 512, walSize: 64 << 10, topic: t},
		"interval": {mode: pipeproc.SyncInterval(1000), grain: 4096, walSize: 64 << 10, topic: t},
		"never":    {mode: pipeproc.SyncNever, grain: 4096, walSize: 64 << 10, topic: t},
	}
}
