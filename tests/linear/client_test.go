package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

const procs = 3

func topicOf(p int) string      { return fmt.Sprintf("in%d", p) }
func outOf(p int, k int) string { return fmt.Sprintf("out%d-%d", p, k) }
func deadOf(p int) string       { return fmt.Sprintf("dead%d", p) }
func nameOf(p int) string       { return fmt.Sprintf("proc%d", p) }

// optionsOf are those of a proc.
func optionsOf(p int) pipeproc.ProcOptions {
	o := pipeproc.ProcOptions{Name: nameOf(p), Topic: topicOf(p), Retry: pipeproc.RetryPolicy{MaxReclaims: maxReclaims, ReclaimTimeout: -1}}
	switch p % 3 {
	case buries:
		o.Retry.OnMaxReclaims, o.Retry.DeadLetterTopic = pipeproc.StrategyDeadLetter, deadOf(p)
	case waits:
		o.Retry.OnMaxReclaims, o.Retry.MaxReclaims, o.Retry.Backoff = pipeproc.StrategyContinue, -1, time.Hour
	}
	return o
}

// calls is what clients need of a store.
type calls interface {
	CreateTopic(ctx context.Context, name string, o pipeproc.TopicOptions) error
	Commit(ctx context.Context, recs ...pipeproc.Record) ([]pipeproc.ID, error)
	Length(ctx context.Context, topic string) (uint64, error)
	EnsureProc(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.ProcInfo, error)
	Claim(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.Claim, error)
	Ack(ctx context.Context, proc string, t pipeproc.Token) (pipeproc.IDRange, error)
	Reclaim(ctx context.Context, proc string, t pipeproc.Token, reason string) (pipeproc.IDRange, error)
	InspectProc(ctx context.Context, name string) (pipeproc.ProcInfo, error)
	DisableProc(ctx context.Context, name string) (pipeproc.ProcInfo, error)
	ResumeProc(ctx context.Context, name string) (pipeproc.ProcInfo, error)
	SeekProc(ctx context.Context, name, offset string) (pipeproc.ProcInfo, error)
}

// batches are the calls of a store that takes a Batch.
type batches interface {
	AckCommitBatch(ctx context.Context, proc string, t pipeproc.Token, b *pipeproc.Batch) (pipeproc.IDRange, error)
}

// engineCalls are those that an engine has in place of that.
type engineCalls interface {
	AckCommit(ctx context.Context, proc string, t pipeproc.Token, refused bool, recs ...pipeproc.Record) (pipeproc.IDRange, []pipeproc.ID, error)
	Release(ctx context.Context, proc string, t pipeproc.Token) error
	Destroy(ctx context.Context, proc string) error
}

// runner is one client.
type runner struct {
	s       calls
	r       *rand.Rand
	id      int
	begin   time.Time
	history []porcupine.Operation
	shared  *tokens
	careful bool // touches no claim that nobody was given yet
	kick    chan<- struct{}
}

// killEach is after how many operations a node is killed, about. The clock is no
// measure: on a busy machine nothing would get done between kills.
const killEach = 200

// tokens are those that clients were given, for all to use, also late.
type tokens struct {
	mu   sync.Mutex
	list [procs][]pipeproc.Token
	done atomic.Int64 // operations
}

func (k *tokens) add(p int, t pipeproc.Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list[p] = append(k.list[p], t)
}

// any returns a token, usually the last one.
func (k *tokens) any(r *rand.Rand, p int) pipeproc.Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.list[p])
	if n == 0 || r.IntN(4) == 0 {
		return pipeproc.Token{} // whatever is claimed
	}
	return k.list[p][max(0, n-1-r.IntN(2)*r.IntN(3))]
}

var weights = [numOfKinds]int{commit: 20, claim: 30, ack: 12, ackCommit: 15, ackRefused: 3, reclaim: 14, disable: 2, resume: 8, seek: 1,
	outLength: 5, deadLength: 1, inspect: 8, release: 3, destroy: 1, ensure: 3}

// pick chooses an operation.
func (c *runner) pick() input {
	in := input{proc: c.r.IntN(procs)}
	_, engine := c.s.(engineCalls)
	total := 0
	for _, w := range weights {
		total += w
	}
	for in.kind = numOfKinds; in.kind == numOfKinds || in.kind >= release && !engine; {
		k := c.r.IntN(total)
		for i, w := range weights {
			if k -= w; k < 0 {
				in.kind = kind(i)
				break
			}
		}
	}
	if in.kind == seek && c.careful {
		in.kind = inspect
	}
	switch in.kind {
	case claim:
		in.count = 1 + c.r.Uint64N(4)
	case ack, ackCommit, ackRefused, reclaim, release:
		in.token = c.shared.any(c.r, in.proc)
		if c.careful && in.token == (pipeproc.Token{}) {
			in = input{proc: in.proc, kind: claim, count: 1 + c.r.Uint64N(4)}
		}
	case seek:
		in.at = c.r.Uint64N(20)
	case outLength:
		in.at = c.r.Uint64N(2)
	}
	return in
}

// run makes n operations. Looks come in pairs, so that what one has shown is
// compared with what another one shows at once.
func (c *runner) run(ctx context.Context, n int) {
	for len(c.history) < n {
		in := c.pick()
		c.call(ctx, in)
		switch in.kind {
		case inspect:
			c.call(ctx, input{proc: in.proc, kind: outLength, at: c.r.Uint64N(2)})
		case outLength:
			c.call(ctx, input{proc: in.proc, kind: outLength, at: 1 - in.at})
			c.call(ctx, input{proc: in.proc, kind: inspect})
		}
	}
}

func (c *runner) call(ctx context.Context, in input) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: time.Since(c.begin).Nanoseconds()}
	out := c.do(ctx, in)
	if q, ok := c.s.(*quitter); ok && (out.code == unsent || out.code == unknownOutcome) {
		c.s = q.again(ctx)
	}
	op.Output = out
	op.Return = time.Since(c.begin).Nanoseconds()
	if c.shared.done.Add(1)%killEach == 0 && c.kick != nil {
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
	c.history = append(c.history, op)
	if in.kind == ackCommit && out.code == "" {
		first := op
		in.kind = ackOut
		first.Input, first.Output = in, output{}
		c.history = append(c.history, first)
	}
}

// do makes the operation. An error without a code is a failure of the test, and
// fits no step of the model.
func (c *runner) do(ctx context.Context, in input) (out output) {
	failed := func(err error) bool {
		if err == nil {
			return false
		}
		out = output{code: pipeproc.Code(err)}
		switch {
		case out.code == "" && errors.Is(err, syscall.EIO):
			out.code = refused
		case out.code == "" && (errors.Is(err, transport.ErrDisconnected) || errors.Is(err, transport.ErrGoingAway)):
			out.code = unsent
		case out.code == "":
			out.code = err.Error()
		}
		return true
	}
	acked := func(r pipeproc.IDRange) { out.first, out.n = r.First.Seq, r.Count }
	info := func(i pipeproc.ProcInfo, err error) {
		if !failed(err) {
			out.token, out.seq, out.disabled, out.reclaims = i.Claim, i.Next, i.Disabled, i.Reclaims
		}
	}
	switch name := nameOf(in.proc); in.kind {
	case commit:
		ids, err := c.s.Commit(ctx, pipeproc.Record{Topic: topicOf(in.proc), Body: []byte("x")})
		if !failed(err) {
			out.seq = ids[0].Seq
		}
	case claim:
		o := optionsOf(in.proc)
		o.Count = int(in.count)
		k, err := c.s.Claim(ctx, o)
		if !failed(err) && !k.Empty() {
			acked(k.Range)
			out.token = k.Token
			c.shared.add(in.proc, k.Token)
		}
	case ack:
		r, err := c.s.Ack(ctx, name, in.token)
		if !failed(err) {
			acked(r)
		}
	case ackCommit, ackRefused:
		r, ids, err := c.ackCommit(ctx, in)
		if !failed(err) {
			acked(r)
			out.seq = ids[0].Seq
			if ids[1].Seq != out.seq {
				out.code = fmt.Sprintf("records at %v", ids)
			}
		}
	case reclaim:
		_, err := c.s.Reclaim(ctx, name, in.token, "")
		failed(err)
	case release:
		failed(c.s.(engineCalls).Release(ctx, name, in.token))
	case destroy:
		failed(c.s.(engineCalls).Destroy(ctx, name))
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
		n, err := c.s.Length(ctx, outOf(in.proc, int(in.at)))
		if !failed(err) {
			out.seq = n
		}
	case deadLength:
		n, err := c.s.Length(ctx, deadOf(in.proc))
		if !failed(err) {
			out.seq = n
		}
	case inspect:
		info(c.s.InspectProc(ctx, name))
	case ensure:
		info(c.s.EnsureProc(ctx, optionsOf(in.proc)))
	}
	return out
}

func (c *runner) ackCommit(ctx context.Context, in input) (pipeproc.IDRange, []pipeproc.ID, error) {
	recs := []pipeproc.Record{{Topic: outOf(in.proc, 0), Body: []byte("y")}, {Topic: outOf(in.proc, 1)}}
	if e, ok := c.s.(engineCalls); ok {
		return e.AckCommit(ctx, nameOf(in.proc), in.token, in.kind == ackRefused, recs...)
	}
	b := new(pipeproc.Batch)
	for i := range recs {
		_ = b.AddRecord(&recs[i])
	}
	if in.kind == ackRefused {
		_ = b.Expect(outOf(in.proc, 0), 1<<40)
	}
	r, err := c.s.(batches).AckCommitBatch(ctx, nameOf(in.proc), in.token, b)
	return r, b.IDs(), err
}

// prepare makes the procs and their topics.
func prepare(t *testing.T, s calls) {
	t.Helper()
	for p := range procs {
		for _, topic := range []string{topicOf(p), outOf(p, 0), outOf(p, 1), deadOf(p)} {
			if err := s.CreateTopic(t.Context(), topic, pipeproc.TopicOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.EnsureProc(t.Context(), optionsOf(p)); err != nil {
			t.Fatal(err)
		}
	}
}

// record runs clients, each on one of the stores, and returns what they did.
func record(t *testing.T, seed uint64, ops int, stores ...calls) []porcupine.Operation {
	t.Helper()
	prepare(t, stores[0])
	return loose(t, seed, ops, stores...)
}

func loose(t *testing.T, seed uint64, ops int, stores ...calls) []porcupine.Operation {
	t.Helper()
	return letLoose(t, seed, ops, false, time.Now(), nil, stores...)
}

func letLoose(t *testing.T, seed uint64, ops int, careful bool, begin time.Time, kick chan<- struct{}, stores ...calls) []porcupine.Operation {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	runners := make([]*runner, *clients)
	shared := new(tokens)
	var wg sync.WaitGroup
	for i := range runners {
		runners[i] = &runner{s: stores[i%len(stores)], r: rand.New(rand.NewPCG(seed, uint64(i))), id: i, begin: begin, shared: shared, careful: careful, kick: kick}
		wg.Go(func() { runners[i].run(ctx, ops / *clients) })
	}
	wg.Wait()
	var all []porcupine.Operation
	counts := map[string]int{}
	for _, c := range runners {
		all = append(all, c.history...)
	}
	for _, op := range all {
		k := kindNames[op.Input.(input).kind]
		if out := op.Output.(output); out.code != "" {
			k += " " + out.code
		} else if op.Input.(input).kind == claim && out.n == 0 {
			k += " empty"
		}
		counts[k]++
	}
	t.Logf("%d clients made %d operations in %v: %v", *clients, len(all), time.Since(begin).Round(time.Millisecond), counts)
	return all
}
