package kills

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// killedTimes returns a store whose process was killed so many times, each time
// after 100 commits of one record, and the names of its log files that count.
func killedTimes(t *testing.T, mode pipeproc.SyncMode, times int) (im image, tr *truth, log []string) {
	t.Helper()
	disk := vfs.NewCrash()
	tr = newTruth()
	for range times {
		o := flipOptions(disk)
		o.Sync, o.WALSize = mode, 1<<20
		n, err := pipeproc.Open(flipDir, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := tr.commit(n, pipeproc.Record{Topic: "a", Body: bytes.Repeat([]byte{7}, 200)}); err != nil {
				t.Fatal(err)
			}
		}
		next := disk.Kill()
		_ = n.Close() // of the old disk
		disk = next
	}
	im, err := take(disk, flipDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(im)) {
		if strings.HasPrefix(name, "wal/wal-") && bytes.Contains(im[name], bytes.Repeat([]byte{7}, 200)) {
			log = append(log, name)
		}
	}
	if len(log) != times {
		t.Fatalf("log files %v after %d kills", log, times)
	}
	return im, tr, log
}

// witnessed demands that a damaged store says so, to Verify and to Open, and that
// after a repair everything is there that is not listed as lost. It returns how many
// records are then missing.
func witnessed(t *testing.T, im image, tr *truth, mode pipeproc.SyncMode) int {
	t.Helper()
	ctx := context.Background()
	m, err := im.put(flipDir)
	if err != nil {
		t.Fatal(err)
	}
	options := func() *pipeproc.Options {
		o := flipOptions(m)
		o.Sync, o.WALSize = mode, 1<<20
		return o
	}
	rep, err := pipeproc.Verify(ctx, flipDir, &pipeproc.VerifyOptions{FS: m})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if len(rep.Damage) == 0 {
		t.Error("verify finds nothing")
	}
	n, err := pipeproc.Open(flipDir, options())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	r := tr.read(n, false)
	if len(n.Recovery().Damage) == 0 || n.Err() == nil {
		t.Errorf("open reports no damage; %d records are missing", r.missing)
	}
	if r.wrong != nil {
		t.Error(r.wrong)
	}
	_ = n.Close()
	return repaired(t, m, tr, options)
}

// repaired repairs a store and demands that it is then as its report says.
func repaired(t *testing.T, m vfs.FS, tr *truth, options func() *pipeproc.Options) int {
	t.Helper()
	ctx := context.Background()
	done, err := pipeproc.Repair(ctx, flipDir, &pipeproc.RepairOptions{FS: m})
	if err != nil {
		t.Fatalf("repair: %v", err)
	}
	n, err := pipeproc.Open(flipDir, options())
	if err != nil {
		t.Fatalf("open after the repair: %v", err)
	}
	defer n.Close()
	r := tr.read(n, false)
	switch {
	case r.wrong != nil && !strings.Contains(r.wrong.Error(), "topic \"recovered"):
		t.Error(r.wrong)
	case len(n.Recovery().Damage) > 0 || n.Err() != nil:
		t.Errorf("after the repair: %v, %v", n.Recovery().Damage, n.Err())
	case r.missing > 0 && len(done.Dropped) == 0:
		t.Errorf("repair dropped %d records and says nothing; it did %q", r.missing, done.Actions)
	}
	return r.missing
}

// with returns a copy of the store in which one file is another.
func (im image) with(name string, change func(b []byte) []byte) image {
	c := maps.Clone(im)
	b := change(bytes.Clone(im[name]))
	if b == nil {
		delete(c, name)
	} else {
		c[name] = b
	}
	return c
}

// without returns a copy of the store without a file.
func (im image) without(name string) image {
	return im.with(name, func([]byte) []byte { return nil })
}

// TestS1 damages the header of the newest file of the log after an unclean
// restart. What is in it is still there, under the epoch that STORE knows.
func TestS1(t *testing.T) {
	for _, mode := range []string{"always", "never"} {
		t.Run(mode, func(t *testing.T) {
			sync := process.Mode(mode)
			for times := 1; times <= 2; times++ {
				im, tr, log := killedTimes(t, sync, times)
				newest := log[len(log)-1]
				for _, marked := range []bool{true, false} {
					if !marked {
						im = im.without("wal/mark")
					}
					step := 7
					if testing.Short() {
						step = 61
					}
					for bit := 32 * 8; bit < 40*8; bit += step {
						if n := witnessed(t, im.with(newest, func(b []byte) []byte {
							b[bit/8] ^= 1 << (bit % 8)
							return b
						}), tr, sync); n > 0 {
							t.Errorf("bit %d of the epoch, killed %d times, mark %t: a repair loses %d records", bit-32*8, times, marked, n)
						}
					}
					if n := witnessed(t, im.with(newest, func(b []byte) []byte {
						clear(b[:4096])
						return b
					}), tr, sync); n > 0 {
						t.Errorf("header zeroed, killed %d times, mark %t: a repair loses %d records", times, marked, n)
					}
				}
			}
		})
	}
}

// TestS2 takes the end of the log away.
func TestS2(t *testing.T) {
	zero := func(from, to int) func(b []byte) []byte {
		return func(b []byte) []byte {
			clear(b[from:min(to, len(b))])
			return b
		}
	}
	cut := func(size int) func(b []byte) []byte { return func(b []byte) []byte { return b[:size] } }
	for _, mode := range []string{"always", "never"} {
		for times := 1; times <= 2; times++ {
			t.Run(fmt.Sprintf("%s, killed %d times", mode, times), func(t *testing.T) {
				sync := process.Mode(mode)
				im, tr, log := killedTimes(t, sync, times)
				newest := log[len(log)-1]
				end := len(im[newest])
				for end > 0 && im[newest][end-1] == 0 {
					end--
				}
				for name, change := range map[string]func(b []byte) []byte{
					"cut to its header":          cut(4096),
					"cut in a frame":             cut(7096),
					"zeroed from 8192 on":        zero(8192, 1<<30),
					"page of the newest frame":   zero(end&^4095, 1<<30),
					"newest frame":               zero(end-200, 1<<30),
					"removed":                    func([]byte) []byte { return nil },
					"swapped with an empty file": func(b []byte) []byte { return make([]byte, len(b)) },
				} {
					t.Run(name, func(t *testing.T) {
						n := witnessed(t, im.with(newest, change), tr, sync)
						t.Logf("%d records are gone", n)
					})
				}
				// Without the mark, STORE and the file's own header still tell of it.
				for name, change := range map[string]func(b []byte) []byte{
					"removed, no mark":           func([]byte) []byte { return nil },
					"cut to its header, no mark": cut(4096),
					"cut in a frame, no mark":    cut(7096),
				} {
					t.Run(name, func(t *testing.T) { witnessed(t, im.with(newest, change).without("wal/mark"), tr, sync) })
				}
			})
		}
	}
}

// TestNoFalseWitness: whatever is wrong with the mark itself is no damage.
func TestNoFalseWitness(t *testing.T) {
	for _, mode := range []string{"always", "never"} {
		im, tr, _ := killedTimes(t, process.Mode(mode), 2)
		older, _, _ := killedTimes(t, process.Mode(mode), 1)
		for off := 512; off < 2560; off++ {
			if off%512 >= 64 {
				continue
			}
			healthy(t, im.with("wal/mark", func(b []byte) []byte { b[off] ^= 1 << (off % 8); return b }), tr, mode)
		}
		healthy(t, im.without("wal/mark"), tr, mode)
		healthy(t, im.with("wal/mark", func([]byte) []byte { return []byte{1} }), tr, mode)
		healthy(t, im.with("wal/mark", func(b []byte) []byte { clear(b); return b }), tr, mode)
		healthy(t, im.with("wal/mark", func([]byte) []byte { return older["wal/mark"] }), tr, mode)
	}
}

func healthy(t *testing.T, im image, tr *truth, mode string) {
	t.Helper()
	m, err := im.put(flipDir)
	if err != nil {
		t.Fatal(err)
	}
	o := flipOptions(m)
	o.Sync, o.WALSize = process.Mode(mode), 1<<20
	n, err := pipeproc.Open(flipDir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r := tr.read(n, false)
	if rec := n.Recovery(); r.wrong != nil || r.missing > 0 || len(rec.Damage) > 0 || n.Err() != nil {
		t.Fatalf("wrong %v, missing %d, damage %v, %v", r.wrong, r.missing, rec.Damage, n.Err())
	}
}

// TestOlderStore puts an earlier copy of STORE in place: what was written since
// must not be taken for garbage.
func TestOlderStore(t *testing.T) {
	disk := vfs.NewCrash()
	tr := newTruth()
	var olds []image
	for i := range 3 {
		n, err := pipeproc.Open(flipDir, flipOptions(disk))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 * (i + 1) {
			if err := tr.commit(n, pipeproc.Record{Topic: "a", Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		im, err := take(disk, flipDir)
		if err != nil {
			t.Fatal(err)
		}
		olds = append(olds, im)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if im, err = take(disk, flipDir); err != nil {
			t.Fatal(err)
		}
		olds = append(olds, im)
	}
	now := olds[len(olds)-1]
	for i, old := range olds[:len(olds)-1] {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if n := witnessed(t, now.with("STORE", func([]byte) []byte { return old["STORE"] }), tr, pipeproc.SyncAlways); n > 0 {
				t.Errorf("a repair loses %d records", n)
			}
		})
	}
}
