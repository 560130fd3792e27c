package linear

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// onEngine is an engine as clients see it. It has what the pool of workers uses
// and no other package shows: claims that make no proc, and releases.
type onEngine struct {
	*engine.Engine
}

func openEngine(t *testing.T, mode engine.SyncMode, fs vfs.FS) onEngine {
	t.Helper()
	start := time.Now()
	e, err := engine.Open(engine.Config{FS: fs, Dir: "s", Sync: mode, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		Elapsed: func() time.Duration { return time.Since(start) }, WALFileSize: 1 << 20, CheckpointBytes: 4 << 20, MaxWAL: 8 << 20,
		MaxBody: 1 << 20, MaxBatch: 1 << 20, MaxOpenFiles: 50, MaxMapped: 50, Topic: topics.Options{SegmentSize: 1 << 20},
		GC: engine.GCSettings{Interval: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return onEngine{e}
}

func (e onEngine) batch(recs []pipeproc.Record) (*topics.Batch, error) {
	b := new(topics.Batch)
	for _, r := range recs {
		if err := b.Add(r.Topic, nil, nil, r.Body); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (e onEngine) Commit(ctx context.Context, recs ...pipeproc.Record) ([]pipeproc.ID, error) {
	b, err := e.batch(recs)
	if err != nil {
		return nil, err
	}
	if err := e.Engine.Commit(ctx, &engine.Request{Batch: b}); err != nil {
		return nil, err
	}
	return b.IDs(), nil
}

func (e onEngine) CreateTopic(ctx context.Context, name string, o pipeproc.TopicOptions) error {
	return e.Engine.CreateTopic(ctx, name, topics.Options{SegmentSize: o.SegmentSize, Compression: segment.Codec(o.Compression)})
}

func (e onEngine) Length(_ context.Context, topic string) (uint64, error) {
	t, err := e.Topic(topic)
	if err != nil {
		return 0, err
	}
	return t.Length(), nil
}

func info(s *procstate.State) pipeproc.ProcInfo {
	i := pipeproc.ProcInfo{Next: s.Next, Disabled: s.Disabled, Reclaims: s.Reclaims}
	if c := s.Claim(); c != nil {
		i.Claim = c.Token
	}
	return i
}

func (e onEngine) EnsureProc(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.ProcInfo, error) {
	opts, err := procstate.Options{Offset: o.Offset, MaxReclaims: o.Retry.MaxReclaims, ReclaimTimeout: o.Retry.ReclaimTimeout, OnMax: o.Retry.OnMaxReclaims,
		DeadLetter: o.Retry.DeadLetterTopic, Backoff: o.Retry.Backoff}.Check(o.Topic)
	if err != nil {
		return pipeproc.ProcInfo{}, err
	}
	s, _, err := e.Engine.EnsureProc(ctx, procstate.Def{Name: o.Name, Topic: o.Topic, Options: opts})
	if err != nil {
		return pipeproc.ProcInfo{}, err
	}
	return info(s), nil
}

func (e onEngine) Claim(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.Claim, error) {
	c := new(engine.Claimed)
	err := e.Engine.Claim(ctx, o.Name, o.Count, c)
	return pipeproc.Claim{Token: c.Token, Range: c.Range, Records: c.Records}, err
}

func (e onEngine) propose(ctx context.Context, op *procstate.Op) (*procstate.Op, error) {
	return op, e.Propose(ctx, engine.ByMode, op)
}

func (e onEngine) Ack(ctx context.Context, proc string, t pipeproc.Token) (pipeproc.IDRange, error) {
	op, err := e.propose(ctx, &procstate.Op{Kind: procstate.Ack, Name: proc, Token: t})
	return op.Claim.Range, err
}

// AckCommit acknowledges with records. refused makes them be refused.
func (e onEngine) AckCommit(ctx context.Context, proc string, t pipeproc.Token, refused bool, recs ...pipeproc.Record) (pipeproc.IDRange, []pipeproc.ID, error) {
	b, err := e.batch(recs)
	if err != nil {
		return pipeproc.IDRange{}, nil, err
	}
	if refused {
		_ = b.Expect(recs[0].Topic, 1<<40)
	}
	op := &procstate.Op{Kind: procstate.Ack, Name: proc, Token: t, Commit: true}
	if err := e.Engine.Commit(ctx, &engine.Request{Batch: b, Procs: []*procstate.Op{op}}); err != nil {
		return pipeproc.IDRange{}, nil, err
	}
	return op.Claim.Range, b.IDs(), nil
}

func (e onEngine) Reclaim(ctx context.Context, proc string, t pipeproc.Token, reason string) (pipeproc.IDRange, error) {
	_, err := e.Engine.Reclaim(ctx, proc, t, reason)
	return pipeproc.IDRange{}, err
}

func (e onEngine) InspectProc(_ context.Context, name string) (pipeproc.ProcInfo, error) {
	s, err := e.Engine.Proc(name)
	if err != nil {
		return pipeproc.ProcInfo{}, err
	}
	return info(s), nil
}

func (e onEngine) changed(ctx context.Context, k procstate.Kind, name string) (pipeproc.ProcInfo, error) {
	_, err := e.propose(ctx, &procstate.Op{Kind: k, Name: name})
	return pipeproc.ProcInfo{}, err
}

func (e onEngine) DisableProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	return e.changed(ctx, procstate.Stop, name)
}

func (e onEngine) ResumeProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	return e.changed(ctx, procstate.Resume, name)
}

func (e onEngine) Destroy(ctx context.Context, name string) error {
	_, err := e.changed(ctx, procstate.Destroy, name)
	return err
}

func (e onEngine) SeekProc(ctx context.Context, name, offset string) (pipeproc.ProcInfo, error) {
	_, err := e.Engine.SeekProc(ctx, name, offset)
	return pipeproc.ProcInfo{}, err
}

// TestLinearizableEngine runs clients on an engine in memory.
func TestLinearizableEngine(t *testing.T) {
	check(t, record(t, seedOf(t), *opsFlag, openEngine(t, engine.SyncNever, vfs.NewMem())))
}

// TestLinearizableEngineSynced runs them on one that syncs every command, with
// writes that take their time, so that there are many commands in a group.
func TestLinearizableEngineSynced(t *testing.T) {
	fs := vfs.NewFault(vfs.NewCrash(), func(op vfs.Op) error {
		slow(op)
		return nil
	})
	check(t, record(t, seedOf(t), *opsFlag/3, openEngine(t, engine.SyncAlways, fs)))
}

// TestLinearizableFaults has one write of the log in eight fail: what was in the
// group did not happen.
func TestLinearizableFaults(t *testing.T) {
	seed := seedOf(t)
	var n, failed atomic.Uint64
	fs := vfs.NewFault(vfs.NewCrash(), nil)
	e := openEngine(t, engine.SyncAlways, fs)
	prepare(t, e)
	fs.SetHook(func(op vfs.Op) error {
		if slow(op); op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "/wal/") && rand.New(rand.NewPCG(seed, n.Add(1))).IntN(8) == 0 {
			failed.Add(1)
			return syscall.EIO
		}
		return nil
	})
	history := loose(t, seed, *opsFlag/3, e)
	fs.SetHook(nil)
	t.Logf("%d writes failed", failed.Load())
	check(t, history)
}

// slow lets others run before a write.
func slow(op vfs.Op) {
	if op.Kind == vfs.OpWriteAt {
		for range 20 {
			runtime.Gosched()
		}
	}
}
