package kills

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// A child process commits to ten topics and is killed with SIGKILL, again and again
// on the same directory. Nothing that it reported as acknowledged may be lost, in
// any sync mode, and no batch may be torn.
func TestKill(t *testing.T) {
	t.Logf("seed %d", *seed)
	var kills, acks, ids, survivors, cuts atomic.Int64
	t.Run("modes", func(t *testing.T) {
		for i, mode := range process.Modes {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				k := &killer{t: t, mode: mode, dir: filepath.Join(t.TempDir(), "data"), rnd: rand.New(rand.NewPCG(*seed, uint64(i)))}
				for round := range *rounds/len(process.Modes) + b2i(i < *rounds%len(process.Modes)) {
					k.round(round)
				}
				k.whole()
				t.Logf("%s: %d kills, %d acknowledged batches and %d ids checked, %d batches survived unacknowledged, "+
					"%d records in the end, %d commands replayed, %d torn frames cut, %d files sealed; lost 0, torn 0",
					mode, k.kills, k.acks, k.ids, k.survivors, k.records(), k.replayed, k.cuts, k.sealed())
				kills.Add(k.kills)
				acks.Add(k.acks)
				ids.Add(k.ids)
				survivors.Add(k.survivors)
				cuts.Add(k.cuts)
			})
		}
	})
	fmt.Printf("kill test: %d rounds, %d kills, %d acknowledged batches (%d ids) checked, lost 0, torn 0; %d unacknowledged batches survived whole, %d torn frames cut; seed %d; failed: %v\n",
		*rounds, kills.Load(), acks.Load(), ids.Load(), survivors.Load(), cuts.Load(), *seed, t.Failed())
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// seen is a record that was read once and must be there from then on.
type seen struct {
	id  pipeproc.ID
	sum uint64
}

type killer struct {
	t    *testing.T
	mode string
	dir  string
	rnd  *rand.Rand

	known [killTopics][]seen

	kills, acks, ids, survivors, cuts int64
	replayed                          uint64
}

func (k *killer) records() (n int) {
	for i := range k.known {
		n += len(k.known[i])
	}
	return n
}

func (k *killer) sealed() int {
	names, _ := filepath.Glob(filepath.Join(k.dir, "segments", "*"))
	return len(names) - killTopics
}

type ack struct {
	key batchKey
	ids []pipeproc.ID
}

func (k *killer) round(round int) {
	acks := k.run(round)
	k.kills++
	o := killOptions(process.Mode(k.mode))
	o.ReadOnly = k.rnd.IntN(2) == 0 // then the next child finds the killed store
	n, err := pipeproc.Open(k.dir, o)
	if err != nil {
		k.keep()
		k.t.Fatalf("round %d: open: %v", round, err)
	}
	r := n.Recovery()
	if len(r.Damage) > 0 {
		k.keep()
		k.t.Fatalf("round %d: damage: %v", round, r.Damage)
	}
	k.replayed += r.Commands
	k.cuts += int64(len(r.Cut))
	k.check(n, round, acks)
	if err := n.Close(); err != nil {
		k.t.Fatalf("round %d: close: %v", round, err)
	}
	if round%16 == 15 {
		k.whole()
	}
}

// keep saves the directory of a failure.
func (k *killer) keep() { process.Keep(k.t, k.dir) }

// run starts a child, kills it at a random moment after its first
// acknowledgement and returns what it printed.
func (k *killer) run(round int) []ack {
	t := k.t
	ctx, cancel := context.WithTimeout(t.Context(), process.Patience)
	defer cancel()
	c := process.Start(t, process.Command(ctx, nil, "commit", k.dir, k.mode, fmt.Sprint(round)))
	var timer *time.Timer
	after := time.Millisecond + time.Duration(k.rnd.Int64N(int64(59*time.Millisecond)))
	var acks []ack
	for line, ok := c.Line(); ok; line, ok = c.Line() {
		if timer == nil {
			timer = time.AfterFunc(after, c.Kill)
		}
		acks = append(acks, parseAck(t, line))
	}
	err := c.Wait()
	if timer == nil {
		t.Fatalf("round %d: the child acknowledged nothing: %v: %s", round, err, c.Stderr())
	}
	timer.Stop()
	if !process.Killed(err) || ctx.Err() != nil {
		t.Fatalf("round %d: the child ended by itself, or did not: %v: %s", round, err, c.Stderr())
	}
	return acks
}

func parseAck(t *testing.T, line string) (a ack) {
	f := strings.Fields(line)
	if len(f) < 2+killTopics || f[0] != "ack" {
		t.Fatalf("the child printed %q", line)
	}
	var err error
	if a.key, err = parseKey(f[1]); err != nil {
		t.Fatal(err)
	}
	for _, s := range f[2:] {
		id, err := pipeproc.ParseID(s)
		if err != nil {
			t.Fatal(err)
		}
		a.ids = append(a.ids, id)
	}
	return a
}

// check reads what is new in all topics and compares it with what was
// acknowledged.
func (k *killer) check(n *pipeproc.Node, round int, acks []ack) {
	t := k.t
	found := map[batchKey][]pipeproc.ID{}
	var order []batchKey
	for i := range killTopics {
		mine, err := k.topic(n, i, found)
		if err != nil {
			k.keep()
			t.Fatalf("round %d: %s: %v", round, killTopic(i), err)
		}
		if i == 0 {
			order = mine
		} else if !slices.Equal(order, mine) {
			k.keep()
			t.Fatalf("round %d: %s has other batches than %s, or in another order: %d and %d", round, killTopic(i), killTopic(0), len(mine), len(order))
		}
	}
	next := map[int]int{}
	for _, key := range order {
		if key.round != round || key.n != next[key.worker] {
			t.Fatalf("round %d: batch %v in place of number %d of its worker: not a prefix", round, key, next[key.worker])
		}
		next[key.worker]++
		if slices.ContainsFunc(found[key], func(id pipeproc.ID) bool { return id == pipeproc.ID{} }) {
			t.Fatalf("round %d: batch %v is torn: %v", round, key, found[key])
		}
	}
	for _, a := range acks {
		if !slices.Equal(found[a.key], a.ids) {
			k.keep()
			t.Fatalf("round %d: acknowledged batch %v has ids %v, was given %v", round, a.key, found[a.key], a.ids)
		}
		k.ids += int64(len(a.ids))
	}
	k.acks += int64(len(acks))
	k.survivors += int64(len(order) - len(acks))
	for range min(len(acks), 50) {
		a := acks[k.rnd.IntN(len(acks))]
		j := k.rnd.IntN(len(a.ids))
		rec, err := n.Get(context.Background(), killTopic(a.key.topics()[j]), a.ids[j].Seq)
		if err != nil || rec.ID != a.ids[j] || string(rec.Body) != string(a.key.body(j)) {
			t.Fatalf("round %d: get of %v: %v %v", round, a.ids[j], rec.ID, err)
		}
	}
}

// topic reads the new records of topic i, notes their ids in found and returns
// the batches they are of, in order.
func (k *killer) topic(n *pipeproc.Node, i int, found map[batchKey][]pipeproc.ID) (order []batchKey, err error) {
	known := k.known[i]
	o := pipeproc.RangeOptions{}
	if len(known) > 0 {
		last := known[len(known)-1].id
		o = pipeproc.RangeOptions{Start: pipeproc.AtID(last), Exclusive: true}
	}
	for rec, err := range n.Range(context.Background(), killTopic(i), o) {
		if err != nil {
			return nil, err
		}
		if rec.ID.Seq != uint64(len(known)) {
			return nil, fmt.Errorf("sequence %d in place of %d", rec.ID.Seq, len(known))
		}
		if len(known) > 0 && rec.ID.Millis < known[len(known)-1].id.Millis {
			return nil, fmt.Errorf("id %v after %v", rec.ID, known[len(known)-1].id)
		}
		key, j, err := parseBody(rec.Body)
		if err != nil {
			return nil, err
		}
		list := key.topics()
		if found[key] == nil {
			found[key] = make([]pipeproc.ID, len(list))
		}
		if j >= len(list) || list[j] != i || found[key][j] != (pipeproc.ID{}) {
			return nil, fmt.Errorf("record %d of batch %v does not belong here", j, key)
		}
		found[key][j] = rec.ID
		if len(order) == 0 || order[len(order)-1] != key {
			order = append(order, key)
		}
		known = append(known, seen{rec.ID, xxhash.Sum64(rec.Body)})
	}
	if length, err := n.Length(context.Background(), killTopic(i)); err != nil || length != uint64(len(known)) {
		return nil, fmt.Errorf("length %d, %d records read: %v", length, len(known), err)
	}
	k.known[i] = known
	return order, nil
}

// whole reads everything that was ever found, in both directions.
func (k *killer) whole() {
	t := k.t
	n, err := pipeproc.Open(k.dir, &pipeproc.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for i := range killTopics {
		pos := 0
		for rec, err := range n.Range(context.Background(), killTopic(i), pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if pos >= len(k.known[i]) || k.known[i][pos] != (seen{rec.ID, xxhash.Sum64(rec.Body)}) {
				t.Fatalf("%s: record %d is not the one of an earlier round", killTopic(i), pos)
			}
			pos++
		}
		if pos != len(k.known[i]) {
			t.Fatalf("%s: %d records, there were %d", killTopic(i), pos, len(k.known[i]))
		}
		for rec, err := range n.Range(context.Background(), killTopic(i), pipeproc.RangeOptions{Reverse: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if pos--; pos < 0 || k.known[i][pos] != (seen{rec.ID, xxhash.Sum64(rec.Body)}) {
				t.Fatalf("%s: record %d read backwards is not the one of an earlier round", killTopic(i), pos)
			}
		}
	}
}
