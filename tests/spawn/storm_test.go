//go:build unix

package spawn

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/worker/program"
)

var (
	stormTime    = flag.Duration("storm.time", 4*time.Second, "how long clients storm a node")
	stormClients = flag.Int("storm.clients", 16, "client processes at a time")
	stormKills   = flag.Bool("storm.node", true, "kill the node as well")
	stormSeed    = flag.Uint64("storm.seed", 0, "which one is killed when; 0: another one each time")
)

// TestStorm: many client processes commit, read and consume on one node, whose
// pipeline has worker processes, while clients, workers and the node are killed at
// random. What was acknowledged is there, once, in the order of its client, has
// passed the pipeline once, and was consumed at least once; nothing is left.
func TestStorm(t *testing.T) {
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	o := w.options()
	o.Restarts = 1 << 20
	o.Node.WALSize = 1 << 20
	o.Programs = program.RunnerOptions{Workers: 2, Concurrency: 2, RestartAfter: 50}
	s := w.spawn(o)
	for i := range 4 {
		w.system(s, pipeproc.SystemProcOptions{Name: fmt.Sprint("stage", i), From: []string{stormIn(i)}, To: []string{stormOut(i)}, Count: 100,
			Retry: pipeproc.RetryPolicy{MaxReclaims: -1}, Command: []string{program.CommandSelf}, ProcessorName: "copy"})
	}
	st := &storm{t: t, w: w, s: s, running: make(map[int]*exec.Cmd)}
	for i := range *stormClients {
		st.start(i)
	}
	workers, nodes := st.kill(rnd)
	acked := st.finish()
	st.settle(acked)
	t.Logf("seed %d: %d clients, %d of them killed, %d workers, %d nodes; %d records acknowledged",
		seed, st.started, st.killed, workers, nodes, len(acked))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func stormIn(i int) string  { return fmt.Sprint("in", i) }
func stormOut(i int) string { return fmt.Sprint("out", i) }

type storm struct {
	t       *testing.T
	w       *world
	s       *rpc.Spawned
	started int
	killed  int
	ended   sync.WaitGroup

	mu      sync.Mutex
	running map[int]*exec.Cmd // by slot
}

// start starts a client process in a slot.
func (st *storm) start(slot int) {
	st.t.Helper()
	name := fmt.Sprintf("c%d-%d", slot, st.started)
	st.started++
	cmd := process.Command(st.t.Context(), nil, "client", name, fmt.Sprint(slot%4), st.w.dir)
	cmd.Stderr = st.w.log
	if err := cmd.Start(); err != nil {
		st.t.Fatal(err)
	}
	st.mu.Lock()
	st.running[slot] = cmd
	st.mu.Unlock()
	st.ended.Go(func() {
		err := cmd.Wait()
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.running[slot] == cmd && err != nil {
			st.t.Errorf("a client has failed: %v", err)
		}
	})
}

// kill kills at random until the time is over.
func (st *storm) kill(rnd *rand.Rand) (workers, nodes int) {
	end := time.After(*stormTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return workers, nodes
		case <-tick.C:
		}
		switch n := rnd.IntN(20); {
		case n < 4:
			slot := rnd.IntN(*stormClients)
			st.mu.Lock()
			cmd := st.running[slot]
			begun := st.hasBegun(cmd)
			if begun {
				delete(st.running, slot)
			}
			st.mu.Unlock()
			if !begun {
				continue
			}
			_ = cmd.Process.Kill()
			st.killed++
			st.start(slot)
		case n < 6:
			if pids := children(st.s.Pid()); len(pids) > 0 {
				if killIfAny(st.t, pids[rnd.IntN(len(pids))]) {
					workers++
				}
			}
		case n == 6 && *stormKills:
			if pid := st.s.Pid(); pid != 0 && killIfAny(st.t, pid) {
				nodes++
			}
		}
	}
}

// hasBegun reports whether something was acknowledged to a client: killing one that
// has only just been started tests nothing.
func (st *storm) hasBegun(cmd *exec.Cmd) bool {
	i, err := os.Stat(st.w.dir + "/acked-" + cmd.Args[1])
	return err == nil && i.Size() > 0
}

// children returns the processes that pid has started, zombies left out.
func children(pid int) (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range list {
		b, _ := os.ReadFile(name)
		_, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == strconv.Itoa(pid) && fields[0] != "Z" {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, child)
		}
	}
	return pids
}

// finish lets the clients end, and returns what was acknowledged to them, by body,
// in the order of each client.
func (st *storm) finish() map[string]int {
	if err := os.WriteFile(st.w.dir+"/stop", nil, 0o600); err != nil {
		st.t.Fatal(err)
	}
	st.ended.Wait()
	acked := make(map[string]int)
	logs, _ := filepath.Glob(st.w.dir + "/acked-*")
	for _, name := range logs {
		b, err := os.ReadFile(name)
		if err != nil {
			st.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.HasSuffix(line, "\n") {
				acked[strings.TrimSpace(line)]++
			}
		}
	}
	return acked
}

// settle waits until all is done, and checks it.
func (st *storm) settle(acked map[string]int) {
	t, ctx := st.t, process.Soon(st.t)
	var consumers []string
	list, err := st.s.Procs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if strings.HasPrefix(i.Name, "c") { // of a client, which may have died with a claim
			consumers = append(consumers, i.Name)
		}
	}
	if err := st.s.WaitForProcs(ctx, "stage0", "stage1", "stage2", "stage3"); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	for i := range 4 {
		in, out := bodies(t, st.s, stormIn(i)), bodies(t, st.s, stormOut(i))
		if strings.Join(in, "\n") != strings.Join(out, "\n") {
			t.Errorf("stage %d has made %d records of %d, or others, or in another order", i, len(out), len(in))
		}
		last := make(map[string]int)
		for _, b := range in {
			found[b]++
			name, number, _ := strings.Cut(b, " ")
			n, err := strconv.Atoi(number)
			if err != nil || n <= last[name] {
				t.Fatalf("%q comes after %d", b, last[name])
			}
			last[name] = n
		}
	}
	lost, doubled := 0, 0
	for b := range acked {
		if found[b] == 0 {
			lost++
		}
	}
	for _, n := range found {
		if n > 1 {
			doubled++
		}
	}
	if lost > 0 || doubled > 0 {
		t.Errorf("%d of %d acknowledged records are lost, %d doubled", lost, len(acked), doubled)
	}
	consumed := 0
	for _, name := range consumers {
		consumed += st.consumed(name)
	}
	if len(acked) == 0 || consumed == 0 {
		t.Errorf("%d records were acknowledged, %d consumed", len(acked), consumed)
	}
}

// consumed checks that a proc has acknowledged each record once, in order, and
// returns how many.
func (st *storm) consumed(proc string) int {
	next := uint64(0)
	for _, b := range bodies(st.t, st.s, "consumed-"+proc) {
		var r struct{ First, Last pipeproc.ID }
		if err := json.Unmarshal([]byte(b), &r); err != nil {
			st.t.Fatal(err)
		}
		if r.First.Seq != next {
			st.t.Errorf("proc %s has acknowledged %v after sequence %d", proc, r, next)
		}
		next = r.Last.Seq + 1
	}
	i, err := st.s.InspectProc(process.Soon(st.t), proc)
	if err != nil || !i.LastAcked.Empty() && i.LastAcked.Last.Seq+1 != next || i.LastAcked.Empty() && next != 0 {
		st.t.Errorf("proc %s: %d acknowledged, but %+v %v", proc, next, i, err)
	}
	return int(next)
}

// client is a client process: it commits, notes what was acknowledged, reads, and
// consumes, until it is told to stop or killed.
func client(args []string) error {
	name, dir := args[0], args[2]
	topic, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c, err := rpc.Connect(ctx, "unix://"+dir+"/node.sock", &rpc.ConnectOptions{Timeout: process.Patience, RetryFor: process.Patience, Name: name})
	for tick := time.NewTicker(10 * time.Millisecond); err != nil && ctx.Err() == nil; <-tick.C { // the node may be dead just now
		c, err = rpc.Connect(ctx, "unix://"+dir+"/node.sock", &rpc.ConnectOptions{Timeout: process.Patience, RetryFor: process.Patience, Name: name})
	}
	if err != nil {
		return err
	}
	defer c.Close()
	acked, err := os.Create(dir + "/acked-" + name)
	if err != nil {
		return err
	}
	defer acked.Close()
	m := &member{c: c, name: name, topic: stormIn(topic), acked: acked}
	for ctx.Err() == nil {
		if _, err := os.Stat(dir + "/stop"); err == nil {
			return nil
		}
		if err := m.round(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return ctx.Err()
}

// member is a client of a storm.
type member struct {
	c     *rpc.Client
	name  string
	topic string
	acked *os.File
	last  int
}

// round commits from several goroutines, reads what was committed, and consumes.
func (m *member) round(ctx context.Context) error {
	const records = 20
	recs := make([]pipeproc.Record, records)
	for i := range recs {
		m.last++
		recs[i] = pipeproc.Record{Topic: m.topic, Body: fmt.Appendf(nil, "%s %d", m.name, m.last)}
	}
	ids, err := m.c.Commit(ctx, recs...)
	if err != nil {
		return err
	}
	var lines []byte
	for i := range recs {
		lines = append(append(lines, recs[i].Body...), '\n')
	}
	if _, err := m.acked.Write(lines); err != nil {
		return err
	}
	n := 0
	for rec, err := range m.c.Range(ctx, m.topic, pipeproc.RangeOptions{Start: pipeproc.AtID(ids[0]), End: pipeproc.AtID(ids[records-1])}) {
		if err != nil {
			return err
		}
		if string(rec.Body) != string(recs[n].Body) {
			return fmt.Errorf("%s reads %q, and has committed %q", rec.ID, rec.Body, recs[n].Body)
		}
		n++
	}
	if n != records {
		return fmt.Errorf("%d records of %d", n, records)
	}
	return m.consume(ctx)
}

// consume claims the records of the topic once more, in order, and acknowledges
// with a commit.
func (m *member) consume(ctx context.Context) error {
	k, err := m.c.Claim(ctx, pipeproc.ProcOptions{Name: m.name, Topic: m.topic, Count: 50, Retry: pipeproc.RetryPolicy{MaxReclaims: -1}})
	if err != nil || len(k.Records) == 0 {
		return err
	}
	var first struct{ First, Last pipeproc.ID }
	first.First, first.Last = k.Records[0].ID, k.Records[len(k.Records)-1].ID
	note, err := json.Marshal(first)
	if err != nil {
		return err
	}
	_, _, err = m.c.AckCommit(ctx, m.name, k.Token, pipeproc.Record{Topic: "consumed-" + m.name, Body: note})
	if errors.Is(err, pipeproc.ErrClaimLost) { // a machine that is busy
		return nil
	}
	return err
}
