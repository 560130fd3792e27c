//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

const bitDir = "store"

func bitOptions(m vfs.FS) *pipeproc.Options {
	return &pipeproc.Options{FS: m, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

// bitStore makes a small store with sealed and growing segments, compression and
// a proc, closes it and returns its files.
func bitStore(t *testing.T) (files map[string][]byte, want map[string][]string) {
	t.Helper()
	m := vfs.NewMem()
	n, err := pipeproc.Open(bitDir, bitOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	want = map[string][]string{}
	add := func(topic, body string) {
		t.Helper()
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: topic, Key: []byte("k"), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		want[topic] = append(want[topic], body)
	}
	if err := n.CreateTopic(ctx, "packed", pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		add("plain", strings.Repeat(fmt.Sprintf("%d plain ", i), 20))
		add("packed", strings.Repeat(fmt.Sprintf("%d packed ", i), 200))
	}
	add("plain", strings.Repeat("x", 40<<10)) // the next one does not fit: it seals the segment
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	add("plain", strings.Repeat("y", 30<<10))
	add("few", "in the snapshot")
	if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: procName, Topic: "plain"}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, d := range []string{"", "wal", "segments"} {
		infos, err := m.ReadDir(path.Join(bitDir, d))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			if i.Dir {
				continue
			}
			f, err := m.Open(path.Join(bitDir, d, i.Name), vfs.Read)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, i.Size)
			if _, err := f.ReadAt(b, 0); err != nil && i.Size > 0 {
				t.Fatal(err)
			}
			f.Close()
			files[path.Join(d, i.Name)] = b
		}
	}
	return files, want
}

func put(files map[string][]byte) (*vfs.Mem, error) {
	m := vfs.NewMem()
	for _, d := range []string{"", "wal", "segments"} {
		if err := m.MkdirAll(path.Join(bitDir, d)); err != nil {
			return nil, err
		}
	}
	for name, b := range files {
		f, err := m.Open(path.Join(bitDir, name), vfs.Create)
		if err == nil {
			_, err = f.WriteAt(b, 0)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// toggle flips a bit in place.
func toggle(m vfs.FS, name string, off int64, bit int) error {
	f, err := m.Open(path.Join(bitDir, name), vfs.Write)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err = f.ReadAt(b[:], off); err == nil {
		b[0] ^= 1 << bit
		_, err = f.WriteAt(b[:], off)
	}
	return errors.Join(err, f.Close())
}

// readBits returns how many records are missing, and whether that was reported.
func readBits(n *pipeproc.Node, want map[string][]string) (got map[string]map[uint64]bool, missing int, said bool, err error) {
	ctx := context.Background()
	got = map[string]map[uint64]bool{}
	said = len(n.Recovery().Damage) > 0
	for topic, list := range want {
		got[topic] = map[uint64]bool{}
		for r, err := range n.Range(ctx, topic, pipeproc.RangeOptions{}) {
			if err != nil {
				said = true
				continue
			}
			if r.ID.Seq >= uint64(len(list)) || list[r.ID.Seq] != string(r.Body) || string(r.Key) != "k" {
				return got, 0, said, fmt.Errorf("WRONG: %s %v %.40q", topic, r.ID, r.Body)
			}
			got[topic][r.ID.Seq] = true
		}
		missing += len(list) - len(got[topic])
	}
	if _, err := n.InspectProc(ctx, procName); err != nil {
		missing++
		said = said || !errors.Is(err, pipeproc.ErrInvalidProc)
	}
	return got, missing, said, nil
}

// TestF09EveryBit flips bits of every file of a small store that was closed: all of
// them with -faults.full, all eight of sampled bytes otherwise. What is read is
// right, what is missing is reported; verify reports everything that reading does,
// and names the file; a repair keeps all that could be read.
func TestF09EveryBit(t *testing.T) {
	files, want := bitStore(t)
	type at struct {
		name string
		off  int64
	}
	var work []at
	bytesOf := 0
	rnd := rand.New(rand.NewPCG(*seed, 9))
	for name, b := range files {
		bytesOf += len(b)
		for off := range b {
			zero := b[off] == 0 || strings.HasPrefix(name, "wal/")
			if *full || rnd.IntN(100) == 0 && !zero || rnd.IntN(2000) == 0 {
				work = append(work, at{name, int64(off)})
			}
		}
	}
	var flips, opened, found, harmless, repaired atomic.Int64
	next := make(chan at)
	var wg sync.WaitGroup
	one := func(m *vfs.Mem, a at, bit int) (err error) {
		if err := toggle(m, a.name, a.off, bit); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, toggle(m, a.name, a.off, bit)) }()
		flips.Add(1)
		o := bitOptions(m)
		o.ReadOnly = true
		said, missing := true, 0
		var got map[string]map[uint64]bool
		if n, err := pipeproc.Open(bitDir, o); err == nil {
			opened.Add(1)
			got, missing, said, err = readBits(n, want)
			if err := errors.Join(err, n.Close()); err != nil {
				return err
			}
		} else if strings.ContainsAny(err.Error(), "\n") {
			return fmt.Errorf("the error is not clear: %q", err)
		}
		if missing > 0 && !said {
			return fmt.Errorf("SILENT: %d records are missing", missing)
		}
		rep, err := pipeproc.Verify(context.Background(), bitDir, &pipeproc.VerifyOptions{FS: m})
		switch {
		case err != nil && !said:
			return fmt.Errorf("verify: %w", err)
		case err == nil && said && len(rep.Damage) == 0:
			return errors.New("verify does not find what reading finds")
		case err == nil && len(rep.Damage) == 0:
			harmless.Add(1)
			return nil
		}
		found.Add(1)
		if err != nil {
			return nil // it cannot be opened, and says why
		}
		if d := rep.Damage[0]; d.File != path.Base(a.name) {
			return fmt.Errorf("verify names another file: %v", d)
		} else if strings.HasPrefix(a.name, "segments/") && d.Offset < 0 {
			return fmt.Errorf("verify does not say where: %v", d)
		}
		if got == nil || bit != int(a.off)%8 {
			return nil
		}
		c, err := put(files)
		if err == nil {
			err = toggle(c, a.name, a.off, bit)
		}
		if err != nil {
			return err
		}
		if _, err := pipeproc.Repair(context.Background(), bitDir, &pipeproc.RepairOptions{FS: c}); err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		n, err := pipeproc.Open(bitDir, bitOptions(c))
		if err != nil {
			return fmt.Errorf("open after the repair: %w", err)
		}
		defer n.Close()
		now, _, _, err := readBits(n, want)
		if err != nil {
			return fmt.Errorf("after the repair: %w", err)
		}
		if rep, err := n.Verify(context.Background(), nil); err != nil || len(rep.Damage) > 0 || len(n.Recovery().Damage) > 0 {
			return fmt.Errorf("damage after the repair: %v, %v", n.Recovery().Damage, err)
		}
		for topic := range want {
			for _, err := range n.Range(context.Background(), topic, pipeproc.RangeOptions{}) {
				if err != nil && (!errors.Is(err, pipeproc.ErrInvalidTopic) || len(got[topic]) > 0) {
					return fmt.Errorf("topic %s after the repair: %w", topic, err)
				}
			}
		}
		for topic, seqs := range got {
			for seq := range seqs {
				if !now[topic][seq] {
					return fmt.Errorf("the repair lost %s %d, which could be read", topic, seq)
				}
			}
		}
		repaired.Add(1)
		return nil
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			m, err := put(files)
			if err != nil {
				t.Error(err)
			}
			for a := range next {
				for bit := range 8 {
					if err := one(m, a, bit); err != nil {
						t.Errorf("bit %d of byte %d of %s: %v", bit, a.off, a.name, err)
					}
				}
			}
			for name, b := range files {
				f, err := m.Open(path.Join(bitDir, name), vfs.Read)
				if err != nil {
					t.Error(err)
					continue
				}
				now := make([]byte, len(b))
				_, _ = f.ReadAt(now, 0)
				if f.Close(); name != "LOCK" && !bytes.Equal(now, b) {
					t.Errorf("reading has changed %s", name)
				}
			}
		})
	}
	// As many as there is time for, in random order.
	rnd.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	end, bounded := t.Deadline()
	for _, a := range work {
		if t.Failed() || bounded && time.Until(end) < 10*time.Second {
			break
		}
		next <- a
	}
	close(next)
	wg.Wait()
	fmt.Printf("faults 9, 28: %d of %d bits of %d files flipped: %d found by verify, which named the file, %d harmless, %d stores opened and read, %d repaired; served wrong 0, missing without a word 0; seed %d; failed: %v\n",
		flips.Load(), 8*bytesOf, len(files), found.Load(), harmless.Load(), opened.Load(), repaired.Load(), *seed, t.Failed())
}
