package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// VerifyProgress says how far a verification has got.
type VerifyProgress struct {
	File              string // the file that was read last
	Files, FilesTotal int
	Bytes, BytesTotal int64
}

// VerifyReport is what a verification found. If Damage is empty, every byte that counts
// was read and is what was written.
type VerifyReport struct {
	Files    int
	Bytes    int64
	Records  uint64 // records that can be read, according to the state
	Topics   int
	Damage   []*errs.CorruptError
	Warnings []string // worth knowing, though nothing is lost
	Elapsed  time.Duration
}

// verifier is one verification.
type verifier struct {
	e        *Engine
	ctx      context.Context
	progress func(VerifyProgress)
	rep      VerifyReport
	at       VerifyProgress
}

// Verify reads and checks everything on disk: both copies of STORE, the snapshot, the
// live WAL files, and every block of every segment. It writes nothing. Commits continue,
// except while the WAL is read; checkpoints wait. A topic in which damage is found
// refuses commits from then on. The error says why Verify could not finish; damage is
// in the report.
func (e *Engine) Verify(ctx context.Context, progress func(VerifyProgress)) (*VerifyReport, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	if e.shut.Load() {
		return nil, errClosed()
	}
	v := &verifier{e: e, ctx: ctx, progress: progress}
	start := e.read()
	for _, d := range e.recovery.Damage {
		v.damage(d)
	}
	err := v.run()
	v.rep.Elapsed = e.read().elapsed - start.elapsed
	return &v.rep, err
}

func (v *verifier) damage(err error) {
	c, ok := errors.AsType[*errs.CorruptError](err)
	if !ok {
		return
	}
	for _, d := range v.rep.Damage { // Open may have found it already
		if d.File == c.File && d.Offset == c.Offset {
			return
		}
	}
	v.rep.Damage = append(v.rep.Damage, c)
}

func (v *verifier) run() error {
	e := v.e
	list := e.reg.Topics()
	v.rep.Topics = len(list)
	for _, t := range list {
		v.rep.Records += t.Length()
	}
	v.at.FilesTotal = 3
	for _, t := range list {
		for _, f := range t.Files() {
			if f.Written {
				v.at.FilesTotal++
				v.at.BytesTotal += f.MinSize
			}
		}
	}
	if err := v.head(); err != nil {
		return err
	}
	if err := v.wal(); err != nil {
		return err
	}
	for _, t := range list {
		for _, d := range []*errs.CorruptError{t.Damage(), t.Stuck()} {
			if d != nil { // such as a file that could not be written
				v.damage(d)
			}
		}
		if err := v.topic(t); err != nil {
			return err
		}
	}
	return nil
}

// step reports that a file of n bytes was checked.
func (v *verifier) step(file string, n int64) {
	v.rep.Files++
	v.rep.Bytes += n
	v.at.File = file
	v.at.Files++
	v.at.Bytes += n
	if v.progress != nil {
		v.progress(v.at)
	}
}

// head checks STORE and the snapshot that it refers to.
func (v *verifier) head() error {
	e := v.e
	st, bad, err := readStore(e.fs)
	for _, b := range bad {
		v.damage(b)
	}
	v.damage(err)
	if err != nil && !errors.Is(err, errs.ErrCorrupt) {
		return err
	}
	v.step(storeName, 2*storePage)
	if err != nil || st.Checkpoint == 0 {
		return nil
	}
	r, err := openSnapshot(e.fs, &st)
	if err == nil {
		defer r.close()
		for {
			kind, _, skip, nerr := r.next()
			if nerr == nil && kind == 0 {
				break
			}
			v.damage(nerr)
			if nerr != nil && !skip {
				err = nerr
				break
			}
		}
	}
	v.damage(err)
	if err != nil && !errors.Is(err, errs.ErrCorrupt) {
		return err
	}
	v.step(snapName(st.Checkpoint), int64(st.SnapLen))
	return nil
}

func (v *verifier) wal() error {
	e := v.e
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if e.log == nil && e.store.Clean {
		return nil // nothing in it counts
	}
	cfg := e.replayConfig()
	cfg.Live = e.log
	err := wal.Check(cfg, func(c *errs.CorruptError) { v.damage(c) })
	if err != nil {
		return fmt.Errorf("checking the write-ahead log: %w", err)
	}
	size := e.recovery.Bytes
	if e.log != nil {
		size = e.log.Size()
	}
	v.step(walDir, size)
	return nil
}

func (v *verifier) topic(t *topics.Topic) error {
	for _, f := range t.Files() {
		if !f.Written {
			continue
		}
		if v.ctx.Err() != nil {
			return context.Cause(v.ctx)
		}
		if err := v.segment(t, f); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) segment(t *topics.Topic, f topics.FileInfo) error {
	name := segment.FileName(t.ID(), f.Number)
	h, err := v.e.files.Acquire(t.ID(), f.Number)
	if err != nil {
		what := notThere(v.e.fs, t.ID(), f.Number, err)
		if what == "" {
			return fmt.Errorf("opening %s: %w", name, err)
		}
		v.damage(&errs.CorruptError{File: name, Topic: t.Name(), Segment: f.Number, Offset: -1, What: what})
		return nil
	}
	defer h.Release()
	if !f.Sealed {
		v.e.commitMu.Lock()
		f, _ = t.Grown(f)
		v.e.commitMu.Unlock()
	}
	err = checkSegment(h.File(), t, f, func(c *errs.CorruptError) {
		v.damage(c)
		t.MarkDamaged(c)
	})
	if err != nil {
		return err
	}
	v.step(name, f.MinSize)
	return nil
}

// checkSegment reads all of a segment file, compares it with the topic's state and
// calls fn for all damage. That of a growing one is compared if f was made by Grown. The error is not about damage.
func checkSegment(file vfs.File, t *topics.Topic, f topics.FileInfo, fn func(*errs.CorruptError)) error {
	name := segment.FileName(t.ID(), f.Number)
	whole := func(what string) {
		fn(&errs.CorruptError{File: name, Topic: t.Name(), Segment: f.Number, Offset: -1, What: what})
	}
	damaged, pruned := false, false
	sum, err := segment.Check(file, t.Meta(f), f.DataEnd, f.Sealed, func(c *errs.CorruptError) {
		if c.Next > c.First && t.Gap(c.First, c.Next) {
			pruned = pruned || c.First < t.First()
			return // a gap that the state knows about, or blocks that are pruned
		}
		damaged = true
		fn(c)
	})
	if err != nil {
		return fmt.Errorf("checking %s: %w", name, err)
	}
	if damaged {
		return nil
	}
	if !f.Sealed {
		digest := segment.Digest(sum.Digest)
		for _, s := range f.Rest {
			digest.Add(s)
		}
		if f.Digest != 0 && digest.Sum() != f.Digest && !pruned && !mutate.SkipGrownDigest {
			whole("its blocks are not those that the snapshot knows")
		}
		return nil
	}
	size, err := file.Size()
	switch {
	case err != nil:
		return fmt.Errorf("checking %s: %w", name, err)
	case sum.Digest != f.Digest && !pruned && !mutate.SkipDigest:
		whole("it is not the file that the snapshot knows")
	case size != f.MinSize:
		whole(fmt.Sprintf("the file has %d bytes, %d were expected", size, f.MinSize))
	}
	return nil
}
