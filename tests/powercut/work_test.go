//go:build linux

package powercut

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// The history of a store is fixed by its seed: what step k does is known without
// running it, and what record seq of a topic holds is known from these two.

// topicState is what a topic has after some step: the records [first, end).
type topicState struct{ first, end uint64 }

type state map[string]topicState

// step is one command of the history.
type step struct {
	adds       map[string]int // records for each topic, one batch
	prune      string
	to         uint64
	checkpoint bool
	reopen     bool
}

func topicName(i int) string { return "topic-" + strconv.Itoa(i) }

// next returns step k, given the state before it, and changes that to the state after it.
func (s state) next(seed uint64, k int) step {
	rnd := rand.New(rand.NewPCG(seed, uint64(k)))
	var st step
	switch n := rnd.IntN(20); {
	case n == 0:
		st.reopen = true
	case n < 3:
		st.checkpoint = true
	case n < 5:
		name := topicName(rnd.IntN(5))
		if t := s[name]; t.end > 0 {
			st.prune = name
			st.to = t.first + rnd.Uint64N(t.end-t.first+1)
			s[name] = topicState{max(t.first, st.to), t.end}
		}
	default:
		st.adds = map[string]int{}
		for range 1 + rnd.IntN(3) {
			name := topicName(rnd.IntN(5))
			n := 1 + rnd.IntN(5)
			st.adds[name] += n
			t := s[name]
			s[name] = topicState{t.first, t.end + uint64(n)}
		}
	}
	return st
}

// body is the body of record seq of a topic: mostly small, sometimes 40 KB.
func body(topic string, seq uint64) []byte {
	rnd := rand.New(rand.NewPCG(seq, uint64(topic[len(topic)-1])))
	size := 1 + rnd.IntN(3000)
	if rnd.IntN(20) == 0 {
		size += rnd.IntN(40_000)
	}
	b := make([]byte, size+8)
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	return b[:size]
}

// bootFS is a file system of another start of the machine, as it is after a power cut.
// A sync of a file whose name contains drop does nothing.
type bootFS struct {
	vfs.FS
	boot, drop string
}

func (f bootFS) BootID() string { return cmp.Or(f.boot, vfs.BootID(f.FS)) }

func (f bootFS) OpenDir(name string) (vfs.Dir, error) {
	d, err := f.FS.OpenDir(name)
	if err != nil || f.drop == "" {
		return d, err
	}
	return dropDir{d, f.drop}, nil
}

type dropDir struct {
	vfs.Dir
	drop string
}

func (d dropDir) OpenDir(name string) (vfs.Dir, error) {
	sub, err := d.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return dropDir{sub, d.drop}, nil
}

func (d dropDir) Open(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := d.Dir.Open(name, flag)
	if err != nil || !strings.Contains(name, d.drop) {
		return f, err
	}
	return dropFile{f}, nil
}

type dropFile struct{ vfs.File }

func (dropFile) Sync() error     { return nil }
func (dropFile) SyncData() error { return nil }

var modes = map[string]pipeproc.SyncMode{"always": pipeproc.SyncAlways, "interval": pipeproc.SyncInterval(20 * time.Millisecond), "never": pipeproc.SyncNever}

func options(fsys vfs.FS, mode string) *pipeproc.Options {
	o := &pipeproc.Options{FS: fsys, Sync: modes[mode], WALSize: 512 << 10}
	o.Topic.SegmentSize = 128 << 10
	return o
}

// work is the child that a power cut meets: it prints the number of each step that the
// store has acknowledged.
func work(args []string) error {
	dir, mode, drop := args[0], args[3], args[4]
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	steps, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ctx := context.Background()
	fsys := bootFS{FS: vfs.OS(), drop: drop}
	n, err := pipeproc.Open(dir, options(fsys, mode))
	if err != nil {
		return err
	}
	s := state{}
	for k := range steps {
		before := maps.Clone(s)
		st := s.next(seed, k)
		switch {
		case st.reopen:
			if err = n.Close(); err == nil {
				n, err = pipeproc.Open(dir, options(fsys, mode))
			}
		case st.checkpoint:
			err = n.Checkpoint(ctx)
		case st.prune != "":
			err = n.Prune(ctx, st.prune, st.to)
		case len(st.adds) > 0:
			var b pipeproc.Batch
			for name, count := range st.adds {
				for i := range uint64(count) {
					if err := b.Add(name, body(name, before[name].end+i)); err != nil {
						return err
					}
				}
			}
			err = n.CommitBatch(ctx, &b)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", k, err)
		}
		fmt.Println(k + 1)
		if drop != "" {
			continue // the proof that it is missed should not depend on luck
		}
		if err := push(dir, rand.New(rand.NewPCG(seed, uint64(k)<<32))); err != nil {
			return err
		}
	}
	return n.Close()
}

// push lets the kernel write the changed pages of some files, with no flush after them, as
// it does on its own after some seconds: what is not synced may be on the disk or not.
func push(dir string, rnd *rand.Rand) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || rnd.IntN(8) > 0 {
			return nil // it may be gone
		}
		f, err := os.Open(name)
		if err != nil {
			return nil
		}
		defer f.Close()
		return unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// durableSteps returns how many of the first acked steps a power cut cannot take.
func durableSteps(seed uint64, mode string, acked int) int {
	if mode == "always" {
		return acked
	}
	last := 0
	for k, s := 0, (state{}); k < acked; k++ {
		if st := s.next(seed, k); st.checkpoint || st.reopen {
			last = k + 1
		}
	}
	return last
}

// inspect is the child that opens the store after the cut. It prints how many steps the
// store has; at least so many must be there.
func inspect(args []string) error {
	dir, mode, boot := args[0], args[3], args[5]
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	steps, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	acked, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	ctx := context.Background()
	n, err := pipeproc.Open(dir, options(bootFS{FS: vfs.OS(), boot: boot}, mode))
	if err != nil {
		return err
	}
	found, err := read(ctx, n)
	if err != nil {
		return err
	}
	at, newest := -1, -1 // at: the first state from acked on that it is
	for k, s := 0, (state{}); ; k++ {
		if maps.Equal(s, found) {
			if newest = k; k >= acked {
				at = k
				break
			}
		}
		if k == steps {
			break
		}
		s.next(seed, k)
	}
	if at < 0 {
		return fmt.Errorf("LOST: %d steps were durable, and the store is as after step %d (-1: as after none), damage %v: %v", acked, newest, n.Recovery().Damage, found)
	}
	if r := n.Recovery(); len(r.Damage) > 0 {
		return fmt.Errorf("false damage: %+v", r)
	}
	rep, err := n.Verify(ctx, nil)
	if err != nil || len(rep.Damage) > 0 {
		return fmt.Errorf("false damage: verify: %+v, %w", rep, err)
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "after", Body: []byte("the cut")}); err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return err
	}
	fmt.Println(at)
	return nil
}

// read returns the state of a store, all of whose records must be right.
func read(ctx context.Context, n *pipeproc.Node) (state, error) {
	found := state{}
	for i := range 5 {
		name := topicName(i)
		info, err := n.Topic(ctx, name)
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t := topicState{info.First, info.First}
		for rec, err := range n.Range(ctx, name, pipeproc.RangeOptions{}) {
			if err != nil {
				return nil, err
			}
			if rec.ID.Seq != t.end || !bytes.Equal(rec.Body, body(name, t.end)) {
				return nil, fmt.Errorf("WRONG: record %d of %s is not what was written: %v", t.end, name, rec.ID)
			}
			t.end++
		}
		if t.end != info.Next {
			return nil, fmt.Errorf("WRONG: %s ends at %d and says %d", name, t.end, info.Next)
		}
		found[name] = t
	}
	return found, nil
}

const role = "POWERCUT_ROLE"

// play is what a child does.
func play(name string) int {
	roles := map[string]func([]string) error{"work": work, "inspect": inspect}
	if err := roles[name](os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
