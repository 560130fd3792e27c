package kills

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// killedStore is a store as a killed process leaves it, with commits that only
// the write-ahead log holds.
type killedStore struct {
	im     image
	truth  *truth
	base   int // commits below this are in the checkpoint
	synced int // commits below this were made durable, and later frames say so
}

// newKilledStore fills a store and takes a copy while it is open.
func newKilledStore(t *testing.T, mode pipeproc.SyncMode, rnd *rand.Rand) *killedStore {
	t.Helper()
	ctx := context.Background()
	m := vfs.NewMem()
	o := flipOptions(m)
	o.Sync = mode
	n, err := pipeproc.Open(flipDir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	k := &killedStore{truth: newTruth()}
	commits := func(count int) {
		for range count {
			recs := []pipeproc.Record{{Topic: "a", Body: randomBytes(rnd, rnd.IntN(300)), Key: []byte("k")}}
			for range rnd.IntN(4) {
				recs = append(recs, pipeproc.Record{Topic: string('b' + rune(rnd.IntN(3))), Body: randomBytes(rnd, rnd.IntN(60))})
			}
			if err := k.truth.commit(n, recs...); err != nil {
				t.Fatal(err)
			}
		}
	}
	commits(60)
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	k.base = len(k.truth.commits)
	commits(10)
	if err := n.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	k.synced = len(k.truth.commits)
	commits(10)
	// One that does not fit the file, so that a second one is in use.
	if err := k.truth.commit(n, pipeproc.Record{Topic: "a", Body: randomBytes(rnd, 30<<10)}); err != nil {
		t.Fatal(err)
	}
	commits(8)
	if mode == pipeproc.SyncAlways {
		k.synced = len(k.truth.commits) - 1
	}
	if s := n.Stats(); s.Checkpoints != 1 {
		t.Fatalf("%d checkpoints", s.Checkpoints)
	}
	if k.im, err = take(m, flipDir); err != nil {
		t.Fatal(err)
	}
	return k
}

// Bytes of a store that was killed are flipped: all of its write-ahead log and a
// selection of the rest. Only what no durable frame vouches for may be lost; it is
// the end of the log, and it is reported.
func TestFlipKilled(t *testing.T) {
	t.Logf("seed %d", *seed)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, mode := range []string{"always", "never"} {
		t.Run(mode, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(*seed, 2))
			sync := process.Mode(mode)
			k := newKilledStore(t, sync, rnd)
			count := map[string]*killedTally{}
			fails := 0
			for name, b := range k.im {
				stride := int64(37)
				kind, _, _ := strings.Cut(name, "/")
				if kind == "wal" {
					stride = 1
				}
				c := count[kind]
				if c == nil {
					c = &killedTally{}
					count[kind] = c
				}
				live := k.live(name, b)
				for off := int64(0); off < int64(len(b)); {
					fl := flip{name, off, byte(1 + rnd.IntN(255))}
					if err := k.flip(sync, fl, c); err != nil {
						if fails++; fails < 30 {
							t.Errorf("flip of %s at %d with %#02x: %v", name, off, fl.mask, err)
						}
					}
					step := stride
					if process.Race {
						step *= 61
					}
					if off >= live && !*flipAll {
						step = max(step, 151)
					} else if kind == "wal" && slices.Contains(k.bigRange(b, off), true) && !*flipAll {
						step = max(step, 17)
					}
					off += step
				}
			}
			for kind, c := range count {
				fmt.Printf("flips of a killed store, mode %s, %s: %d flips, %d damage reported, %d tails cut and said, %d harmless\n",
					mode, kind, c.flips, c.damage, c.cut, c.harmless)
			}
		})
	}
}

// live returns the end of those frames of a log file that count.
func (k *killedStore) live(name string, b []byte) int64 {
	number, ok := strings.CutPrefix(name, "wal/wal-")
	if !ok {
		return int64(len(b))
	}
	le := binary.LittleEndian
	if st := k.im["STORE"]; number < fmt.Sprintf("%016x", le.Uint64(st[72:])) || le.Uint64(b[40:]) == 0 {
		return 0
	}
	off, pos := uint64(4096), le.Uint64(b[56:])
	for off+56 < uint64(len(b)) && le.Uint64(b[off+24:]) == pos {
		off += le.Uint64(b[off+16:])
		pos++
	}
	return int64(off)
}

// bigRange says whether the byte lies inside the one large body of the log.
func (k *killedStore) bigRange(b []byte, off int64) []bool {
	for _, c := range k.truth.commits[k.base:] {
		for _, r := range c.recs {
			if len(r.Body) > bigBody {
				if i := bytes.Index(b, r.Body); i >= 0 && off > int64(i) && off < int64(i+len(r.Body)-17) {
					return []bool{true}
				}
			}
		}
	}
	return nil
}

type killedTally struct{ flips, damage, cut, harmless int }

func (k *killedStore) flip(mode pipeproc.SyncMode, fl flip, c *killedTally) error {
	im := image{}
	for name, b := range k.im {
		im[name] = b
	}
	b := bytes.Clone(im[fl.name])
	b[fl.off] ^= fl.mask
	im[fl.name] = b
	m, err := im.put(flipDir)
	if err != nil {
		return err
	}
	c.flips++
	var before *reading
	for i := range 2 {
		o := flipOptions(m)
		o.Sync = mode
		n, err := pipeproc.Open(flipDir, o)
		if err != nil {
			c.damage++
			return oneLine(err)
		}
		r := k.truth.read(n, false)
		rec := n.Recovery()
		said := len(rec.Damage) > 0 || len(r.errs) > 0
		lost := k.lost(r)
		if err := errors.Join(n.Err(), n.Close()); err != nil && !said {
			return err
		}
		switch {
		case r.wrong != nil:
			return fmt.Errorf("WRONG at open %d: %w", i+1, r.wrong)
		case i == 1:
			if before != nil && r.missing != before.missing {
				return fmt.Errorf("the second open finds %d records missing, the first found %d", r.missing, before.missing)
			}
			return nil
		case said:
			c.damage++
		case r.missing == 0:
			c.harmless++
		case lost < 0:
			return errors.New("what is left is no prefix of the commits")
		case lost < k.synced:
			return fmt.Errorf("SILENT: commit %d of %d is lost, %d were durable; cut: %v", lost, len(k.truth.commits), k.synced, rec.Cut)
		case len(rec.Cut) > 0:
			c.cut++
		default:
			return fmt.Errorf("SILENT: commits %d to %d are lost and nothing says so", lost, len(k.truth.commits)-1)
		}
		before = r
	}
	return nil
}

// lost returns the number of the first commit that is not there, provided that
// it and all later ones are not there at all, and those before are whole; else
// -1.
func (k *killedStore) lost(r *reading) int {
	first := len(k.truth.commits)
	for i, c := range k.truth.commits {
		there := 0
		for j := range c.recs {
			if got := r.got[c.recs[j].Topic]; got != nil && got[c.recs[j].ID.Seq] {
				there++
			}
		}
		switch {
		case there == len(c.recs) && first < i, there > 0 && there < len(c.recs):
			return -1
		case there == 0:
			first = min(first, i)
		}
	}
	return first
}
