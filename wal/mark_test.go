package wal

import (
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// named is what STORE would know of a log that create made.
func named(fs vfs.FS) ReplayConfig {
	cfg := replayConfig(fs)
	cfg.Epoch, cfg.First, cfg.Boot = 1, 1, 7
	return cfg
}

// marked makes a log that is marked under boot 7.
func marked(t *testing.T, fs vfs.FS, mapped bool) *Log {
	t.Helper()
	cfg := config(fs, mapped)
	cfg.Epoch, cfg.Boot = 1, 7
	return create(t, cfg)
}

// lose zeroes file number from an offset on.
func lose(t *testing.T, fs vfs.FS, number uint64, from int64) {
	t.Helper()
	b := content(t, fs, number)
	clear(b[from:])
	setContent(t, fs, number, b)
}

// TestMark: a frame that is missing at the end of a log is damage if it was
// acknowledged, as long as the machine runs, or durable; else it is the trace of a
// crash.
func TestMark(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		for _, c := range []struct {
			name          string
			acknowledge   bool
			sync          bool
			boot, epoch   uint64
			missing, want bool
		}{
			{name: "acknowledged", acknowledge: true, boot: 7, epoch: 1, missing: true, want: true},
			{name: "all there", acknowledge: true, boot: 7, epoch: 1},
			{name: "never acknowledged", boot: 7, epoch: 1, missing: true},
			{name: "after a power cut", acknowledge: true, boot: 8, epoch: 1, missing: true},
			{name: "of unknown boot", acknowledge: true, boot: 0, epoch: 1, missing: true},
			{name: "durable", sync: true, boot: 8, epoch: 1, missing: true, want: true},
			{name: "of another epoch", sync: true, acknowledge: true, boot: 7, epoch: 2, missing: true},
			{name: "no witness", sync: true, acknowledge: true, boot: 7, epoch: 0, missing: true},
		} {
			t.Run(c.name, func(t *testing.T) {
				fs := vfs.NewMem()
				l := marked(t, fs, mapped)
				appendAll(t, l, frame("a"))
				must(t, l.Sync())
				from := l.cur.end.Load()
				appendAll(t, l, frame("b"))
				if c.sync {
					must(t, l.Sync())
				}
				if c.acknowledge {
					l.Acknowledge()
				}
				if c.missing {
					lose(t, fs, 1, from)
				}
				cfg := named(fs)
				cfg.Boot, cfg.Epoch = c.boot, c.epoch
				if c.epoch == 2 {
					cfg.First = 0
				}
				got, res := readAll(t, cfg)
				if (res.Damage != nil) != c.want || len(got) != 2 && !c.missing {
					t.Errorf("%d frames, %+v", len(got), res)
				}
				must(t, l.Close(0))
			})
		}
	})
}

// TestMarkAfterFailedSync: the mark does not go on after a sync that failed.
func TestMarkAfterFailedSync(t *testing.T) {
	fs := vfs.NewMem()
	fail := false
	l := marked(t, vfs.NewFault(fs, func(op vfs.Op) error {
		if fail && (op.Kind == vfs.OpSyncData || op.Kind == vfs.OpSync) {
			return vfs.ErrMapFault
		}
		return nil
	}), false)
	appendAll(t, l, frame("a"))
	must(t, l.Sync())
	appendAll(t, l, frame("b"))
	fail = true
	for range 2 { // it is not tried again
		if l.Sync() == nil {
			t.Fatal("the sync did not fail")
		}
	}
	_, res := readAll(t, named(fs))
	if res.Proven != 1 {
		t.Errorf("position %d is proven after a failed sync", res.Proven)
	}
	must(t, l.Close(0))
}

// TestFrameChain: a file of another log, with frames of the same sizes, is not taken
// for one in the middle of this log.
func TestFrameChain(t *testing.T) {
	var logs [2]*vfs.Mem
	for i := range logs {
		logs[i] = vfs.NewMem()
		l := marked(t, logs[i], false)
		for range 4 {
			appendAll(t, l, sized(uint64(i), 6<<10))
		}
		appendAll(t, l, frame("the same"))
		l.Acknowledge()
		if l.cur.number < 2 {
			t.Fatal("only one file")
		}
		must(t, l.Close(0))
	}
	if _, res := readAll(t, named(logs[0])); res.Damage != nil {
		t.Fatal(res.Damage)
	}
	setContent(t, logs[0], 1, content(t, logs[1], 1))
	if _, res := readAll(t, named(logs[0])); res.Damage == nil {
		t.Errorf("%+v", res)
	}
}

// TestMarkIsOptional: without room for it the log works, and later it has one.
func TestMarkIsOptional(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(fs, false)
	cfg.FileSize = 64 << 10
	fs.SetCapacity(64 << 10)
	l := create(t, cfg)
	appendAll(t, l, frame("a"))
	must(t, l.Sync())
	l.Acknowledge()
	l.Named(1)
	must(t, l.Close(0))
	if got, res := readAll(t, replayConfig(fs)); len(got) != 1 || res.Damage != nil {
		t.Errorf("%d frames, %+v", len(got), res)
	}
}
