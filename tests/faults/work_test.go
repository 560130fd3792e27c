//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// The work of a child is a list of steps, of which each is one command at most.
// What a store holds after the first k of them follows from k.

func workOptions(mode string) *pipeproc.Options {
	return &pipeproc.Options{Sync: process.Mode(mode), WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

// body is the body of record j that step i writes to a topic.
func body(i int, topic string, j int) []byte {
	b := fmt.Appendf(nil, "%d/%s/%d ", i, topic, j)
	h := fnv.New64a()
	h.Write(b)
	s := h.Sum64()
	n := int(s>>16) % 300
	if s%3 == 0 {
		n = 9000
	}
	for range n {
		s = s*6364136223846793005 + 1442695040888963407
		b = append(b, byte(s>>40))
	}
	return b
}

// topicState is a topic as it must be.
type topicState struct {
	first uint64
	recs  []uint64 // sums of the bodies, from sequence 0
}

// ledger is what a store must hold.
type ledger struct {
	topics map[string]*topicState
	next   uint64 // of the proc
	made   bool   // the proc is there
}

func newLedger() *ledger { return &ledger{topics: map[string]*topicState{}} }

func sum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func (l *ledger) add(topic string, bodies ...[]byte) {
	t := l.topics[topic]
	if t == nil {
		t = &topicState{}
		l.topics[topic] = t
	}
	for _, b := range bodies {
		t.recs = append(t.recs, sum(b))
	}
}

// kindOf says what a step does.
func kindOf(i int) string {
	switch {
	case i == 1:
		return "proc"
	case i%24 == 7:
		return "create"
	case i%24 == 10:
		return "checkpoint"
	case i%24 == 13:
		return "delete"
	case i%24 == 16:
		return "prune"
	case i%24 == 19:
		return "backup"
	case i%24 == 21:
		return "sync"
	case i%4 == 2:
		return "process"
	}
	return "commit"
}

const procName = "p"

// apply does a step to the ledger.
func (l *ledger) apply(i int) {
	switch kindOf(i) {
	case "commit":
		for _, r := range commitOf(i) {
			l.add(r.Topic, r.Body)
		}
	case "proc":
		l.made = true
	case "create":
		l.topics[fmt.Sprintf("t%d", i)] = &topicState{}
	case "delete":
		delete(l.topics, fmt.Sprintf("t%d", i-6))
	case "prune":
		l.topics["a"].first = l.next
	case "process":
		if n := uint64(len(l.topics["a"].recs)); l.next < n {
			l.next = min(l.next+3, n)
			l.add("out", body(i, "out", 0))
		}
	}
}

func commitOf(i int) (recs []pipeproc.Record) {
	recs = append(recs, pipeproc.Record{Topic: "a", Body: body(i, "a", 0)})
	for j := range 1 + i%3 {
		recs = append(recs, pipeproc.Record{Topic: "b", Body: body(i, "b", j)})
	}
	return recs
}

// do does a step to a store. dir is where backups go.
func do(ctx context.Context, n *pipeproc.Node, i int, dir string) error {
	switch kindOf(i) {
	case "commit":
		_, err := n.Commit(ctx, commitOf(i)...)
		return err
	case "proc":
		_, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: procName, Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		return err
	case "create":
		return n.CreateTopic(ctx, fmt.Sprintf("t%d", i), pipeproc.TopicOptions{})
	case "delete":
		return n.DeleteTopic(ctx, fmt.Sprintf("t%d", i-6))
	case "checkpoint":
		return n.Checkpoint(ctx)
	case "sync":
		return n.Sync(ctx)
	case "prune":
		p, err := n.InspectProc(ctx, procName)
		if err != nil {
			return err
		}
		return n.Prune(ctx, "a", p.Next)
	case "backup":
		dest, err := os.MkdirTemp(dir, "backup-")
		if err != nil {
			return err
		}
		_, err = n.Backup(ctx, filepath.Join(dest, "copy"))
		return err
	case "process":
		k, err := n.Claim(ctx, pipeproc.ProcOptions{Name: procName, Topic: "a", Count: 3})
		if err != nil {
			return err
		}
		p, err := n.InspectProc(ctx, procName) // also a claim of an earlier try
		if err != nil || k.Empty() && p.Claim == (pipeproc.Token{}) {
			return err
		}
		_, _, err = n.AckCommit(ctx, procName, p.Claim, pipeproc.Record{Topic: "out", Body: body(i, "out", 0)})
		return err
	}
	panic("no such step")
}

// read returns what a store holds.
func read(n *pipeproc.Node) (*ledger, error) {
	ctx := context.Background()
	l := newLedger()
	infos, err := n.Topics(ctx)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		t := &topicState{first: info.First, recs: make([]uint64, info.Next)}
		l.topics[info.Name] = t
		seq := info.First
		for r, err := range n.Range(ctx, info.Name, pipeproc.RangeOptions{}) {
			if err != nil {
				return nil, fmt.Errorf("topic %s: %w", info.Name, err)
			}
			if r.ID.Seq != seq || seq >= info.Next {
				return nil, fmt.Errorf("topic %s: sequence %d in place of %d of %d", info.Name, r.ID.Seq, seq, info.Next)
			}
			t.recs[seq] = sum(r.Body)
			seq++
		}
		if seq != info.Next {
			return nil, fmt.Errorf("topic %s ends at %d, not at %d", info.Name, seq, info.Next)
		}
	}
	p, err := n.InspectProc(ctx, procName)
	if err == nil {
		l.next, l.made = p.Next, true
	} else if !errors.Is(err, pipeproc.ErrInvalidProc) {
		return nil, err
	}
	return l, nil
}

// differs says how two ledgers differ, "" if they do not.
func (l *ledger) differs(o *ledger) string {
	if l.next != o.next || l.made != o.made {
		return fmt.Sprintf("the proc is at %d (%v), not %d (%v)", o.next, o.made, l.next, l.made)
	}
	if a, b := slices.Sorted(maps.Keys(l.topics)), slices.Sorted(maps.Keys(o.topics)); !slices.Equal(a, b) {
		return fmt.Sprintf("topics %v, not %v", b, a)
	}
	for name, t := range l.topics {
		u := o.topics[name]
		if t.first != u.first || len(t.recs) != len(u.recs) {
			return fmt.Sprintf("topic %s holds %d to %d, not %d to %d", name, u.first, len(u.recs), t.first, len(t.recs))
		}
		if !slices.Equal(t.recs[t.first:], u.recs[t.first:]) {
			return fmt.Sprintf("topic %s has other bytes", name)
		}
	}
	return ""
}

// find returns how many steps, of at least lo and at most hi, a store holds. Some
// steps change nothing: it is the largest.
func find(got *ledger, lo, hi int) (int, error) {
	l := newLedger()
	found, why := -1, ""
	for k := 0; k <= hi; k++ {
		if k >= lo {
			if d := l.differs(got); d == "" {
				found = k
			} else {
				why = d
			}
		}
		l.apply(k)
	}
	if found < 0 {
		return 0, fmt.Errorf("it holds none of the states after %d to %d steps; against the last one, %s", lo, hi, why)
	}
	return found, nil
}

// workChild does steps and prints each one that succeeded. What fails is reported,
// and tried again unless the node takes no writes any more.
func workChild(args []string) error {
	runtime.LockOSThread()
	dir, mode := args[0], args[1]
	from, _ := strconv.Atoi(args[2])
	steps, _ := strconv.Atoi(args[3])
	say := func(format string, a ...any) {
		line := strings.ReplaceAll(fmt.Sprintf(format, a...), "\n", "\\n")
		_, _ = os.Stdout.WriteString(line + "\n") // one write: whole or not at all
	}
	n, err := pipeproc.Open(filepath.Join(dir, "data"), workOptions(mode))
	if err != nil {
		say("open failed %s", err)
		return err
	}
	if r := n.Recovery(); len(r.Damage) > 0 {
		return fmt.Errorf("damage: %w", errors.Join(r.Damage...))
	}
	ctx := context.Background()
	for i := from; i < from+steps; i++ {
		for try := 0; ; try++ {
			err := do(ctx, n, i, dir)
			if err == nil {
				break
			}
			say("failed %d %s: %s", i, kindOf(i), err)
			if errors.Is(err, pipeproc.ErrOutcomeUnknown) || n.Err() != nil {
				return failedNode(ctx, n, i, say)
			}
			if try == 3 {
				return fmt.Errorf("step %d (%s) fails for ever: %w", i, kindOf(i), err)
			}
		}
		say("ack %d", i)
		if kindOf(i) == "sync" || kindOf(i) == "checkpoint" {
			say("durable %d", i)
		}
	}
	if err := n.Close(); err != nil {
		say("close failed %s", err)
		return err
	}
	say("closed")
	return nil
}

// failedNode sees that a node whose sync failed acknowledges nothing more.
func failedNode(ctx context.Context, n *pipeproc.Node, i int, say func(string, ...any)) error {
	for range 3 {
		for _, err := range []error{do(ctx, n, 0, ""), n.Sync(ctx), n.Checkpoint(ctx), n.CreateTopic(ctx, "new", pipeproc.TopicOptions{})} {
			if err == nil {
				say("FALSE acknowledgement after a failed sync")
			} else if !errors.Is(err, pipeproc.ErrLogFailed) && !errors.Is(err, pipeproc.ErrOutcomeUnknown) {
				say("UNCLEAR %s", err)
			}
		}
	}
	if n.Err() == nil {
		say("FALSE: the node says that nothing is wrong")
	}
	if _, err := read(n); err != nil {
		say("UNREADABLE %s", err)
	}
	if err := n.Close(); err == nil {
		say("FALSE: close of a failed node succeeds")
	}
	say("sticky %d", i)
	return nil
}
