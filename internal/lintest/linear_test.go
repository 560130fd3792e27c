package lintest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

var (
	seedFlag = flag.Uint64("lintest.seed", 0, "seed of the operations; 0: from the clock")
	opsFlag  = flag.Int("lintest.ops", 12000, "operations of all clients together")
	clients  = flag.Int("lintest.clients", 8, "clients")
)

const procs = 3

// runner is one client.
type runner struct {
	s       pipeproc.Store
	r       *rand.Rand
	id      int
	begin   time.Time
	history []porcupine.Operation
	tokens  [procs][]pipeproc.Token // claims that it was given, for late use
}

func topicOf(p int) string { return fmt.Sprintf("in%d", p) }
func outOf(p int) string   { return fmt.Sprintf("out%d", p) }
func nameOf(p int) string  { return fmt.Sprintf("proc%d", p) }

// pick chooses an operation.
func (c *runner) pick() input {
	in := input{proc: c.r.IntN(procs)}
	weights := [numOfKinds]int{commit: 20, claim: 30, ack: 12, ackCommit: 15, reclaim: 6, disable: 1, resume: 8, seek: 1, outLength: 5, inspect: 8}
	total := 0
	for _, w := range weights {
		total += w
	}
	k := c.r.IntN(total)
	for i, w := range weights {
		if k -= w; k < 0 {
			in.kind = kind(i)
			break
		}
	}
	switch in.kind {
	case claim:
		in.count = 1 + c.r.Uint64N(4)
	case ack, ackCommit, reclaim:
		if list := c.tokens[in.proc]; len(list) > 0 && c.r.IntN(4) > 0 { // mostly the last one, sometimes an old one
			in.token = list[max(0, len(list)-1-c.r.IntN(2)*c.r.IntN(3))]
		}
	case seek:
		in.at = c.r.Uint64N(20)
	}
	return in
}

func (c *runner) run(ctx context.Context, n int) {
	for range n {
		in := c.pick()
		op := porcupine.Operation{ClientId: c.id, Input: in, Call: time.Since(c.begin).Nanoseconds()}
		op.Output = c.do(ctx, in)
		op.Return = time.Since(c.begin).Nanoseconds()
		c.history = append(c.history, op)
	}
}

// do makes the operation. An error without a code is a failure of the test, and
// fits no step of the model.
func (c *runner) do(ctx context.Context, in input) (out output) {
	failed := func(err error) bool {
		if err == nil {
			return false
		}
		if out = (output{code: pipeproc.Code(err)}); out.code == "" {
			out.code = err.Error()
		}
		return true
	}
	acked := func(r pipeproc.IDRange) { out.first, out.n = r.First.Seq, r.Count }
	switch name := nameOf(in.proc); in.kind {
	case commit:
		ids, err := c.s.Commit(ctx, pipeproc.Record{Topic: topicOf(in.proc), Body: []byte("x")})
		if !failed(err) {
			out.seq = ids[0].Seq
		}
	case claim:
		k, err := c.s.Proc(ctx, pipeproc.ProcOptions{Name: name, Topic: topicOf(in.proc), Count: int(in.count)})
		if !failed(err) && !k.Empty() {
			acked(k.Range)
			out.token = k.Token
			c.tokens[in.proc] = append(c.tokens[in.proc], k.Token)
		}
	case ack:
		r, err := c.s.Ack(ctx, name, in.token)
		if !failed(err) {
			acked(r)
		}
	case ackCommit:
		r, ids, err := c.s.AckCommit(ctx, name, in.token, pipeproc.Record{Topic: outOf(in.proc)})
		if !failed(err) {
			acked(r)
			out.seq = ids[0].Seq
		}
	case reclaim:
		_, err := c.s.Reclaim(ctx, name, in.token, "")
		failed(err)
	case disable:
		_, err := c.s.DisableProc(ctx, name)
		failed(err)
	case resume:
		_, err := c.s.ResumeProc(ctx, name)
		failed(err)
	case seek:
		_, err := c.s.SeekProc(ctx, name, fmt.Sprintf(":%d", in.at))
		failed(err)
	case outLength:
		n, err := c.s.Length(ctx, outOf(in.proc))
		if !failed(err) {
			out.seq = n
		}
	case inspect:
		i, err := c.s.InspectProc(ctx, name)
		if !failed(err) {
			out.token, out.seq, out.disabled = i.Claim, i.Next, i.Disabled
		}
	}
	return out
}

// record lets clients loose on stores, of which each is given one, and returns
// what they did.
func record(t *testing.T, seed uint64, ops int, stores ...pipeproc.Store) []porcupine.Operation {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for p := range procs {
		for _, topic := range []string{topicOf(p), outOf(p)} {
			if err := stores[0].CreateTopic(ctx, topic, pipeproc.TopicOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		o := pipeproc.ProcOptions{Name: nameOf(p), Topic: topicOf(p), MaxReclaims: maxReclaims, ReclaimTimeout: -1}
		if _, err := stores[0].EnsureProc(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	runners := make([]*runner, *clients)
	var wg sync.WaitGroup
	for i := range runners {
		runners[i] = &runner{s: stores[i%len(stores)], r: rand.New(rand.NewPCG(seed, uint64(i))), id: i, begin: begin}
		wg.Go(func() { runners[i].run(ctx, ops / *clients) })
	}
	wg.Wait()
	var all []porcupine.Operation
	for _, c := range runners {
		all = append(all, c.history...)
	}
	t.Logf("%d clients made %d operations in %v", *clients, len(all), time.Since(begin).Round(time.Millisecond))
	return all
}

func seedOf(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-lintest.seed)", seed)
	return seed
}

// check fails if the history is not linearizable, and shows where.
func check(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(model, history, 2*time.Minute) {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Error("the check took too long to decide")
	default:
		t.Error("not linearizable:\n" + shortest(history))
	}
}

// shortest returns the least beginning of one proc's history that is not
// linearizable, as text.
func shortest(history []porcupine.Operation) string {
	for _, part := range model.Partition(history) {
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
		lo, hi := 0, len(part)
		bad := func(n int) bool { return !porcupine.CheckOperations(model, part[:n]) }
		if !bad(hi) {
			continue
		}
		for lo+1 < hi {
			if mid := (lo + hi) / 2; bad(mid) {
				hi = mid
			} else {
				lo = mid
			}
		}
		var b strings.Builder
		fmt.Fprintf(&b, "the first %d operations of the proc; the last ones are, by the time of their return:\n", hi)
		for _, op := range part[max(0, hi-40):hi] {
			fmt.Fprintf(&b, "%9d %9d client %d: %s\n", op.Call/1000, op.Return/1000, op.ClientId, describe(op.Input.(input), op.Output.(output)))
		}
		return b.String()
	}
	return "every proc by itself is"
}

// TestLinearizable runs clients on a node in memory, whose commits do not wait.
func TestLinearizable(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag, n))
}

// TestLinearizableSynced runs them on a node that syncs every commit, so that
// many operations are in flight together.
func TestLinearizableSynced(t *testing.T) {
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: vfs.NewCrash()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag/4, n))
}

// TestLinearizableOnDisk runs them on real files and real syncs.
func TestLinearizableOnDisk(t *testing.T) {
	n, err := pipeproc.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag/6, n))
}

// TestRejects: the check does fail. Histories are changed in ways that a broken
// node would show.
func TestRejects(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	good := record(t, 1, 2000, n)
	for name, spoil := range map[string]func(in input, out *output) bool{
		"an acknowledgement of a lost claim goes through": func(in input, out *output) bool {
			if in.kind != ack || out.code != "claim_lost" {
				return false
			}
			*out = output{n: 1}
			return true
		},
		"a claim is given twice": func(in input, out *output) bool {
			if in.kind != claim || out.n == 0 {
				return false
			}
			out.first++
			return true
		},
		"a record of an acknowledgement is not seen": func(in input, out *output) bool {
			if in.kind != outLength || out.seq < 3 {
				return false
			}
			out.seq -= 3
			return true
		},
		"a disabled proc is active": func(in input, out *output) bool {
			if in.kind != inspect || !out.disabled {
				return false
			}
			out.disabled = false
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := len(good) / 2; i < len(good); i++ {
				bad := slices.Clone(good)
				out := bad[i].Output.(output)
				if !spoil(bad[i].Input.(input), &out) {
					continue
				}
				bad[i].Output = out
				if !porcupine.CheckOperations(model, bad) {
					return
				}
			}
			t.Error("no such change was noticed")
		})
	}
}
