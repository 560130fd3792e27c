package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

func sentEngine(t *testing.T, fs vfs.FS) *Engine {
	t.Helper()
	e, err := Open(Config{FS: fs, Dir: "s", Sync: SyncAlways, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Elapsed: func() time.Duration { return 0 },
		WALFileSize: 64 << 10, CheckpointBytes: 1 << 20, MaxWAL: 2 << 20, MaxBody: 1 << 20, MaxBatch: 1 << 20,
		MaxOpenFiles: 8, MaxMapped: 8, MaxFuture: time.Hour, Topic: topics.Options{SegmentSize: 64 << 10},
		GC: GCSettings{Interval: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *Engine) commitOne(ctx context.Context, topic string) (topics.ID, error) {
	b := new(topics.Batch)
	b.Reset()
	_ = b.Add(topic, nil, nil, []byte("body"))
	err := e.Commit(ctx, &Request{Batch: b})
	if err != nil {
		return topics.ID{}, err
	}
	return b.IDs()[0], nil
}

// TestSentAgain sends commands a second time, as a client does that lost the reply,
// also to a node that was killed and opened again. Each command runs once and gets
// the same reply.
func TestSentAgain(t *testing.T) {
	disk := vfs.NewCrash()
	e := sentEngine(t, disk)
	var seq uint64
	var commands []func(e *Engine, again bool) (any, error)
	send := func(run func(ctx context.Context, e *Engine) (any, error)) {
		seq++
		k := once.Key{Client: once.Client{1}, Seq: seq, Floor: 1}
		commands = append(commands, func(e *Engine, again bool) (any, error) {
			k := k
			k.Again = again
			return run(WithKey(context.Background(), k, nil), e)
		})
	}
	send(func(ctx context.Context, e *Engine) (any, error) { return e.commitOne(ctx, "in") })
	send(func(ctx context.Context, e *Engine) (any, error) {
		return nil, e.CreateTopic(ctx, "other", topics.Options{})
	})
	send(func(ctx context.Context, e *Engine) (any, error) {
		o, err := procstate.Options{OnMax: procstate.DeadLetter, MaxReclaims: 1}.Check("in")
		if err != nil {
			return nil, err
		}
		s, _, err := e.EnsureProc(ctx, procstate.Def{Name: "p", Topic: "in", Options: o})
		if err != nil {
			return nil, err
		}
		return s.Def.ID, nil
	})
	var token procstate.Token
	send(func(ctx context.Context, e *Engine) (any, error) {
		var c Claimed
		err := e.Claim(ctx, "p", 1, &c)
		token = c.Token
		return c.Token, err
	})
	send(func(ctx context.Context, e *Engine) (any, error) {
		b := new(topics.Batch)
		b.Reset()
		_ = b.Add("out", nil, nil, []byte("done"))
		op := &procstate.Op{Kind: procstate.Ack, Name: "p", Token: token, Commit: true}
		err := e.Commit(ctx, &Request{Batch: b, Procs: []*procstate.Op{op}})
		return [2]any{op.Claim.Range, b.IDs()[0]}, err
	})
	var results []any
	for i, c := range commands {
		r, err := c(e, false)
		if err != nil {
			t.Fatal(i, err)
		}
		if i == 3 { // the claim is still open: it is returned again
			again, err := c(e, true)
			if err != nil || again != r {
				t.Fatal(i, again, r, err)
			}
		}
		results = append(results, r)
	}
	check := func(e *Engine, when string) {
		t.Helper()
		for i, c := range commands {
			r, err := c(e, true)
			if i == 3 { // acknowledged since: the repeated claim is empty
				if err != nil || r != (procstate.Token{}) {
					t.Error(when, i, r, err)
				}
				token = results[3].(procstate.Token)
				continue
			}
			if err != nil || r != results[i] {
				t.Errorf("%s: command %d gave %v, then %v, %v", when, i, results[i], r, err)
			}
		}
		for topic, want := range map[string]uint64{"in": 1, "out": 1, "other": 0} {
			if n := e.endOf(topic); n != want {
				t.Errorf("%s: topic %s has %d records", when, topic, n)
			}
		}
	}
	check(e, "at once")
	killed := disk.Kill()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for name, fs := range map[string]vfs.FS{"after a kill": killed, "after a close": disk} {
		e := sentEngine(t, fs)
		check(e, name)
		k := once.Key{Client: once.Client{9}, Seq: 5, Floor: 4, Again: true}
		if _, err := e.commitOne(WithKey(context.Background(), k, nil), "in"); !errors.Is(err, errs.OutcomeUnknown) {
			t.Error(name, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSentAgainDeadLetter: a reclaim that ended in dead letters runs once.
func TestSentAgainDeadLetter(t *testing.T) {
	e := sentEngine(t, vfs.NewMem())
	defer e.Close()
	ctx := context.Background()
	if _, err := e.commitOne(ctx, "in"); err != nil {
		t.Fatal(err)
	}
	o, err := procstate.Options{OnMax: procstate.DeadLetter, MaxReclaims: 1}.Check("in")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.EnsureProc(ctx, procstate.Def{Name: "p", Topic: "in", Options: o}); err != nil {
		t.Fatal(err)
	}
	var c Claimed
	if err := e.Claim(ctx, "p", 1, &c); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true, true} {
		k := once.Key{Client: once.Client{1}, Seq: 1, Floor: 1, Again: again}
		s, err := e.Reclaim(WithKey(ctx, k, nil), "p", c.Token, "bad")
		if err != nil || s.Next != 1 {
			t.Fatal(again, s, err)
		}
	}
	if n := e.endOf("in__dead"); n != 1 {
		t.Error(n, "dead letters")
	}
}
