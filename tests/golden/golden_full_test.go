package golden_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/worker/program"
)

var goldenStore = flag.String("golden.store", "", "make testdata/store-NAME-killed, -closed and store-NAME.txt with the present code; those that exist are never changed")

// TestGoldenFull opens stores that earlier versions wrote, with everything that
// their format had, and compares all that can be seen of them with the text that
// the earlier version wrote beside them. One was copied while the node ran, as a
// kill would leave it, and one after Close.
func TestGoldenFull(t *testing.T) {
	if *goldenStore != "" {
		makeGoldenFull(t, "testdata/store-"+*goldenStore)
	}
	list, err := filepath.Glob("testdata/store-*.txt")
	if err != nil || len(list) == 0 {
		t.Fatal("no golden stores", err)
	}
	for _, file := range list {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"-killed", "-closed"} {
			dir := strings.TrimSuffix(file, ".txt") + kind
			t.Run(filepath.Base(dir), func(t *testing.T) {
				mem := vfs.NewMem()
				copyFiles(t, mem, "s", vfs.OS(), dir)
				if v, err := pipeproc.Verify(t.Context(), "s", &pipeproc.VerifyOptions{FS: mem}); err != nil || len(v.Damage) > 0 {
					t.Error("verification of the store as it was left:", v, err)
				}
				for round := range 2 { // as it is, and as the first round leaves it
					n := openGoldenFull(t, mem)
					if clean := n.Recovery().Clean; clean != (kind == "-closed" || round > 0) {
						t.Errorf("round %d: it was closed properly: %v", round, clean)
					}
					if round == 0 && kind == "-killed" && n.Recovery().Commands == 0 {
						t.Error("there was nothing to replay")
					}
					sameText(t, describeStore(t, n), string(want))
					if v, err := n.Verify(t.Context(), nil); err != nil || len(v.Damage) > 0 {
						t.Error("verification:", v, err)
					}
					if err := n.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// sameText fails with the first line that differs. JSON at the end of a line may
// have got more fields.
func sameText(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		t.Errorf("there are %d lines, and were %d", len(g), len(w))
	}
	for i := range min(len(g), len(w)) {
		if g[i] == w[i] {
			continue
		}
		at := strings.IndexAny(w[i], "{[")
		if at >= 0 && strings.HasPrefix(g[i], w[i][:at]) && sameJSON("", []byte(g[i][at:]), []byte(w[i][at:])) == nil {
			continue
		}
		t.Errorf("line %d is\n%s\nand was\n%s", i+1, g[i], w[i])
		return
	}
}

// fullClock is the time in golden stores: it stands still except for step.
type fullClock struct{ ms atomic.Int64 }

func (c *fullClock) now() time.Time { return time.UnixMilli(cmp.Or(c.ms.Load(), fullStart)) }
func (c *fullClock) step()          { c.ms.Store(c.now().UnixMilli() + 10) }

const fullStart = 1_700_000_000_000

func goldenFullOptions(fsys vfs.FS, clock *fullClock) *pipeproc.Options {
	return &pipeproc.Options{FS: fsys, Clock: clock.now, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

func openGoldenFull(t *testing.T, fsys vfs.FS) *pipeproc.Node {
	t.Helper()
	clock := new(fullClock)
	clock.ms.Store(fullStart + 60_000) // after all that is in the store
	n, err := pipeproc.Open("s", goldenFullOptions(fsys, clock))
	if err != nil {
		t.Fatal(err)
	}
	if d := n.Recovery().Damage; len(d) > 0 || n.Err() != nil {
		t.Fatal(d, n.Err())
	}
	return n
}

// describeStore returns as text what there is in a store: topics, retention,
// records, procs, system procs, and the answers to clients that send their commands
// again.
func describeStore(t *testing.T, n *pipeproc.Node) string {
	t.Helper()
	ctx := t.Context()
	var b strings.Builder
	list, err := n.Topics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		r, err := n.Retention(ctx, i.Name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "topic %s: id %d, sequences %d to %d, %d records, made at %d, times %d to %d, %d bytes, options %s\n  retention %s\n",
			i.Name, i.ID, i.First, i.Next, i.Records, ms(i.CreatedAt), ms(i.FirstTime), ms(i.LastTime), i.Bytes, asJSON(t, i.Options), strings.Replace(string(asJSON(t, r)), "MinAge", "MinPruneTime", 1))
		for rec, err := range n.Range(ctx, i.Name, pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			h := fnv.New64a()
			_, _ = h.Write(rec.Body)
			fmt.Fprintf(&b, "  %v %d %016x", rec.ID, len(rec.Body), h.Sum64())
			if rec.Key != nil {
				fmt.Fprintf(&b, " key %q", rec.Key)
			}
			for _, h := range rec.Headers {
				fmt.Fprintf(&b, " %s=%q", h.Name, h.Value)
			}
			b.WriteString("\n")
		}
	}
	procs, err := n.Procs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range procs {
		i.Waiting = "" // a text for people
		fmt.Fprintf(&b, "proc %s\n", asJSON(t, i))
	}
	systems, err := n.SystemProcs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range systems {
		fmt.Fprintf(&b, "system proc %s\n", asJSON(t, i))
	}
	addr := serveNode(t, n)
	one := dialAs(t, addr, 1)
	definitions, err := one.Call(ctx, 15, fullBody(fullAdmin("definitions", `{}`), 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "definitions %s\n", definitions)
	before := n.Stats().Position
	for _, c := range fullCommands() {
		conn := dialAs(t, addr, c.client)
		fmt.Fprintf(&b, "again, client %d, command %d: %s\n", c.client, c.seq, c.send(t, conn, 1))
	}
	if after := n.Stats().Position; after != before {
		t.Errorf("commands that were sent again were done again: position %d, then %d", before, after)
	}
	return b.String()
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func dialAs(t *testing.T, addr string, client byte) *transport.Conn {
	t.Helper()
	a, err := transport.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := transport.Dial(t.Context(), a, &transport.DialOptions{ClientID: [16]byte{'g', 'o', 'l', 'd', 'e', 'n', client}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fullCommand is a command of a client, with its bytes as they were when the
// store was made, whatever package pipeproc sends now.
type fullCommand struct {
	client byte
	seq    uint64
	floor  uint64
	late   bool // it comes after the checkpoint
	method uint16
	body   []byte // after the key
}

func (c *fullCommand) send(t *testing.T, conn *transport.Conn, again byte) string {
	t.Helper()
	reply, err := conn.Call(t.Context(), c.method, fullBody(c.body, c.seq, c.floor, again))
	if r, ok := err.(*transport.RemoteError); ok {
		return "error " + r.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case c.method == 15:
		return string(reply)
	case c.method == 6 && reply[0] == 0 && reply[1] == 0: // no token: what follows means nothing
		return "nothing claimed"
	case c.method == 2 && again != 0: // the position was left over from another commit
		_, n := binary.Uvarint(reply)
		reply = reply[n:]
	}
	return fmt.Sprintf("%x", reply)
}

// fullBody puts a key before the body of a request.
func fullBody(body []byte, seq, floor uint64, again byte) []byte {
	b := binary.AppendUvarint(nil, seq)
	b = append(binary.AppendUvarint(b, floor), again)
	return append(b, body...)
}

func fullText(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

func fullAdmin(name, args string) []byte { return fullText(nil, name, args) }

// fullCommit is the body of a commit of one record without key and headers to a
// topic. ack is what stands before: 0, or 1, a proc and a token.
func fullCommit(ack []byte, topic, body string, expect int) []byte {
	b := append([]byte{0}, ack...) // as durable as the node's mode says
	b = fullText(append(b, 1), topic)
	raw := append(binary.AppendUvarint(nil, uint64(len(body))<<1), body...)
	if expect >= 0 {
		b = binary.AppendUvarint(append(b, 1), uint64(expect))
	} else {
		b = append(b, 0, 0)
	}
	b = append(b, 1, 1) // one cut, one record
	b = binary.AppendUvarint(b, uint64(len(raw)))
	return append(b, raw...)
}

// fullCommands are the commands whose answers the store remembers, in order.
func fullCommands() []*fullCommand {
	first := []byte{0, 0} // the token of whatever claim is open
	claim := func(proc string, count int64) []byte { return binary.AppendVarint(fullText(nil, proc), count) }
	return []*fullCommand{
		{1, 1, 1, false, 2, fullCommit([]byte{0}, "sent", "one", -1)},
		{1, 2, 1, false, 2, fullCommit([]byte{0}, "sent", "two, if it is the second", 1)},
		{1, 3, 1, false, 15, fullAdmin("createTopic", `{"name":"made_by_a_client","options":{"SegmentSize":65536,"Compression":1}}`)},
		{1, 4, 1, false, 6, claim("client acks", 2)},
		{1, 5, 1, false, 3, append(fullText(nil, "client acks"), first...)},
		{1, 6, 1, false, 6, claim("client gives back", 3)},
		{1, 7, 1, false, 4, fullText(append(fullText(nil, "client gives back"), first...), "because")},
		{1, 8, 1, false, 15, fullAdmin("disableProc", `{"name":"client disables"}`)},
		{1, 9, 1, false, 6, claim("client claims", 2)},
		{2, 1, 1, false, 2, fullCommit([]byte{0}, "sent", "of another client", -1)},
		{2, 2, 2, false, 2, fullCommit([]byte{0}, "sent", "the one before is forgotten", -1)},

		{1, 10, 1, true, 2, fullCommit([]byte{0}, "sent", "behind the checkpoint", -1)},
		{1, 11, 1, true, 6, claim("client acks", 1)},
		{1, 12, 1, true, 2, fullCommit(append(fullText([]byte{1}, "client acks"), first...), "sent", "with an ack", -1)},
		{1, 13, 1, true, 6, claim("client releases", 1)},
		{1, 14, 1, true, 5, append(fullText(nil, "client releases"), first...)},
		{1, 15, 1, true, 15, fullAdmin("seekProc", `{"name":"client seeks","offset":":1"}`)},
		{1, 16, 1, true, 15, fullAdmin("setRetention", `{"topic":"sent","retention":{"MaxAge":36000000000000000}}`)},
		{1, 17, 1, true, 15, fullAdmin("resumeProc", `{"name":"client resumes"}`)},
		{1, 18, 1, true, 6, claim("client claims late", 1)},
		{3, 1, 1, true, 2, fullCommit([]byte{0}, "sent", "of a client that came late", -1)},
	}
}

// makeGoldenFull writes the stores and the text at name.
func makeGoldenFull(t *testing.T, name string) {
	t.Helper()
	for _, end := range []string{"-killed", "-closed", ".txt"} {
		if _, err := os.Stat(name + end); err == nil {
			t.Fatalf("%s is there: golden files are never written again; give another name", name+end)
		}
	}
	disk, clock := vfs.NewCrash(), new(fullClock)
	n, err := pipeproc.Open("s", goldenFullOptions(disk, clock))
	if err != nil {
		t.Fatal(err)
	}
	var killed vfs.FS
	made := t.Run("make", func(t *testing.T) { // its connections end with it
		fillGoldenFull(t, n, clock)
		killed = disk.Kill()
	})
	if err := n.Close(); err != nil || !made {
		t.Fatal(err)
	}
	copyFiles(t, vfs.OS(), name+"-killed", killed, "s")
	copyFiles(t, vfs.OS(), name+"-closed", disk, "s")
	mem := vfs.NewMem()
	copyFiles(t, mem, "s", vfs.OS(), name+"-killed")
	t.Run("describe", func(t *testing.T) {
		n = openGoldenFull(t, mem)
		defer n.Close()
		if err := os.WriteFile(name+".txt", []byte(describeStore(t, n)), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

// fullFill adds to a store.
type fullFill struct {
	t     *testing.T
	n     *pipeproc.Node
	clock *fullClock
	rnd   *rand.Rand
}

func (f *fullFill) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// record returns record i of a topic.
func (f *fullFill) record(topic string, i int) pipeproc.Record {
	r := pipeproc.Record{Topic: topic, Body: fmt.Appendf(nil, "%s %d ", topic, i)}
	switch topic {
	case "plain":
		r.Body = append(r.Body, bytes.Repeat([]byte("all work and no play "), 48)...)
	case "zipped":
		for range 150 {
			r.Body = fmt.Appendf(r.Body, "word-%d and ", f.rnd.IntN(10000))
		}
	}
	if i%3 == 0 {
		r.Key = fmt.Appendf(nil, "key %d", i%7)
	}
	if i%5 == 0 {
		r.Headers = []pipeproc.Header{{Name: "n", Value: fmt.Append(nil, i)}, {Name: "empty"}, {Name: "bytes", Value: []byte{0, 255}}}
	}
	if i == 8 {
		r.Body, r.Key = nil, nil
	}
	return r
}

// commit commits records from to to of the topics, a few at a time.
func (f *fullFill) commit(from, to int, topics ...string) {
	f.t.Helper()
	for i := from; i < to; {
		var recs []pipeproc.Record
		for range min(1+i%4, to-i) {
			for _, t := range topics {
				recs = append(recs, f.record(t, i))
			}
			i++
		}
		_, err := f.n.Commit(f.t.Context(), recs...)
		f.ok(err)
		f.clock.step()
	}
}

// proc makes a proc, which claims if Count is not 0.
func (f *fullFill) proc(o pipeproc.ProcOptions) pipeproc.Claim {
	f.t.Helper()
	o.Topic = cmp.Or(o.Topic, "plain")
	o.Retry.ReclaimTimeout = cmp.Or(o.Retry.ReclaimTimeout, 1000*time.Hour) // so that none runs out in a test
	_, err := f.n.EnsureProc(f.t.Context(), o)
	f.ok(err)
	if o.Count == 0 {
		return pipeproc.Claim{}
	}
	c, err := f.n.Claim(f.t.Context(), o)
	f.ok(err)
	f.clock.step()
	return c
}

// send sends the commands of clients, early or late ones.
func (f *fullFill) send(late bool) {
	f.t.Helper()
	addr := serveNode(f.t, f.n)
	for _, c := range fullCommands() {
		if c.late != late {
			continue
		}
		if reply := c.send(f.t, dialAs(f.t, addr, c.client), 0); strings.HasPrefix(reply, "error") {
			f.t.Fatalf("client %d, command %d: %s", c.client, c.seq, reply)
		}
		f.clock.step()
	}
}

// fillGoldenFull fills a store with everything that the format has.
func fillGoldenFull(t *testing.T, n *pipeproc.Node, clock *fullClock) {
	t.Helper()
	f := &fullFill{t, n, clock, rand.New(rand.NewPCG(1, 2))}
	ctx := t.Context()
	f.ok(n.CreateTopic(ctx, "zipped", pipeproc.TopicOptions{Compression: pipeproc.Zstd, SegmentSize: 64 << 10}))
	f.ok(n.CreateTopic(ctx, "zipped_small", pipeproc.TopicOptions{Compression: pipeproc.Zstd}))
	f.ok(n.CreateTopic(ctx, "empty", pipeproc.TopicOptions{SegmentSize: 1 << 20}))
	f.ok(n.CreateTopic(ctx, "deleted_empty", pipeproc.TopicOptions{}))
	f.commit(0, 30, "plain", "deleted", "made_anew", "pruned", "zipped_small")
	f.proc(pipeproc.ProcOptions{Name: "skipped", Topic: "pruned"})
	f.proc(pipeproc.ProcOptions{Name: "of a deleted topic", Topic: "deleted", Count: 3})
	f.commit(30, 200, "plain")
	f.commit(0, 170, "zipped")
	_, err := n.Import(ctx, "imported", func(yield func(pipeproc.Record, error) bool) {
		for _, seq := range []int{3, 4, 5, 9, 1000, 1001} {
			r := f.record("imported", seq)
			r.ID = pipeproc.ID{Millis: 1_600_000_000_000 + int64(seq), Seq: uint64(seq)}
			if !yield(r, nil) {
				return
			}
		}
	}, nil)
	f.ok(err)
	f.ok(n.Prune(ctx, "plain", 70))
	f.ok(n.Prune(ctx, "pruned", 7))
	f.ok(n.Prune(ctx, "zipped_small", 30))
	f.ok(n.DeleteTopic(ctx, "deleted"))
	f.ok(n.DeleteTopic(ctx, "deleted_empty"))
	f.ok(n.DeleteTopic(ctx, "made_anew"))
	f.commit(0, 3, "made_anew")

	f.ok(n.SetRetention(ctx, "plain", pipeproc.Retention{MaxBytes: 1 << 40, Force: true}))
	f.ok(n.SetRetention(ctx, "zipped", pipeproc.Retention{MaxAge: 100_000 * time.Hour, MaxBytes: 1 << 41}))
	f.ok(n.SetRetention(ctx, "imported", pipeproc.Retention{GC: pipeproc.SwitchOff}))
	f.ok(n.SetRetention(ctx, "pruned", pipeproc.Retention{GC: pipeproc.SwitchOn, MinAge: 100_000 * time.Hour, IgnoreDisabled: pipeproc.SwitchOn}))
	f.ok(n.SetRetention(ctx, "empty", pipeproc.Retention{IgnoreDisabled: pipeproc.SwitchOff, MaxAge: time.Hour}))

	fillProcs(f)
	for _, name := range []string{"client acks", "client gives back", "client disables", "client claims", "client claims late", "client releases", "client seeks", "client resumes"} {
		f.proc(pipeproc.ProcOptions{Name: name, Topic: "made_anew", Retry: pipeproc.RetryPolicy{Backoff: 1000 * time.Hour}})
	}
	_, err = n.DisableProc(ctx, "client resumes")
	f.ok(err)
	f.send(false)
	f.ok(n.Checkpoint(ctx))

	// The rest is in the write-ahead log only.
	f.commit(200, 206, "plain", "zipped_small")
	f.commit(170, 174, "zipped")
	f.commit(0, 5, "late")
	f.ok(n.CreateTopic(ctx, "late_empty", pipeproc.TopicOptions{SegmentSize: 2 << 20, Compression: pipeproc.Zstd}))
	f.ok(n.Prune(ctx, "pruned", 9))
	f.ok(n.DeleteTopic(ctx, "empty"))
	f.ok(n.SetRetention(ctx, "late", pipeproc.Retention{GC: pipeproc.SwitchOn, MinAge: time.Hour, MaxAge: 100_000 * time.Hour, MaxBytes: 1 << 42, Force: true}))
	f.ok(n.SetRetention(ctx, "imported", pipeproc.Retention{}))
	fillProcsLate(f)
	var b pipeproc.Batch
	f.ok(b.Add("late", []byte("on condition")))
	f.ok(b.Expect("late", 5))
	f.ok(b.Expect("imported", 1002))
	f.ok(n.CommitBatch(ctx, &b))
	f.send(true)
}

// fillProcs makes procs in every state, and system procs of every kind.
func fillProcs(f *fullFill) {
	t, n, ctx := f.t, f.n, context.Background()
	t.Helper()
	_, err := n.Ack(ctx, "acked", f.proc(pipeproc.ProcOptions{Name: "acked", Offset: ":90", Count: 7}).Token)
	f.ok(err)
	f.proc(pipeproc.ProcOptions{Name: "acked", Count: 5})
	_, _, err = n.AckCommit(ctx, "acked and committed", f.proc(pipeproc.ProcOptions{Name: "acked and committed", Topic: "zipped", Count: 2}).Token, f.record("out", 1), f.record("out", 2))
	f.ok(err)
	reclaim := func(o pipeproc.ProcOptions, reason string) {
		t.Helper()
		_, err := n.Reclaim(ctx, o.Name, f.proc(o).Token, reason)
		f.ok(err)
		f.clock.step()
	}
	reclaim(pipeproc.ProcOptions{Name: "waits to try again", Count: 2, Retry: pipeproc.RetryPolicy{Backoff: 1000 * time.Hour, MaxBackoff: 3000 * time.Hour, OnMaxReclaims: pipeproc.StrategyContinue}}, "")
	reclaim(pipeproc.ProcOptions{Name: "disabled by reclaims", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 1}}, "it failed")
	reclaim(pipeproc.ProcOptions{Name: "dead-lettered", Count: 3, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}, "it failed for good")
	reclaim(pipeproc.ProcOptions{Name: "dead-lettered elsewhere", Topic: "zipped", Count: 1, Retry: pipeproc.RetryPolicy{MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "graveyard"}}, "once")
	reclaim(pipeproc.ProcOptions{Name: "dead-lettered elsewhere", Topic: "zipped", Count: 1}, "twice")
	f.proc(pipeproc.ProcOptions{Name: "disabled with a claim", Count: 4, Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1}})
	_, err = n.DisableProc(ctx, "disabled with a claim")
	f.ok(err)
	f.proc(pipeproc.ProcOptions{Name: "seeked", Count: 4})
	_, err = n.SeekProc(ctx, "seeked", ":150")
	f.ok(err)
	if c := f.proc(pipeproc.ProcOptions{Name: "skipped", Topic: "pruned", Count: 2}); c.Skipped != 7 {
		t.Fatal(c)
	}
	f.proc(pipeproc.ProcOptions{Name: "waits for a topic", Topic: "not_yet", Offset: "1800000000000-5"})
	f.proc(pipeproc.ProcOptions{Name: "begins at the end", Offset: "$>"})
	f.proc(pipeproc.ProcOptions{Name: "ephemeral", Ephemeral: true, Count: 1})
	f.proc(pipeproc.ProcOptions{Name: "destroyed", Count: 1})
	_, err = n.DestroyProc(ctx, "destroyed")
	f.ok(err)
	for _, o := range []pipeproc.SystemProcOptions{
		{Name: "in Go", ProcessorName: "a processor", From: []string{"plain"}, To: []string{"out", "late"}, Count: 3, Lanes: 2},
		{Name: "many", From: []string{"plain", "zipped", "not_yet"}, Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter}},
		{Name: "per topic", From: []string{"zipped"}, PerTopic: true, Retry: pipeproc.RetryPolicy{Backoff: -1, ReclaimTimeout: -1}},
		{Name: "program", From: []string{"out"}, Command: []string{"/opt/program", "-x", ""}, Source: "inline: (a) => a\n", Retry: pipeproc.RetryPolicy{Backoff: time.Second, MaxBackoff: time.Minute}},
		{Name: "self", From: []string{"pruned"}, Command: []string{program.CommandSelf}, ProcessorName: "inner", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyContinue}},
		{Name: "goes", From: []string{"out"}},
	} {
		_, err := n.DefineSystemProc(ctx, o)
		f.ok(err)
		f.clock.step()
	}
	_, err = n.DestroyProc(ctx, "goes")
	f.ok(err)
}

// fillProcsLate changes procs after the checkpoint.
func fillProcsLate(f *fullFill) {
	t, n, ctx := f.t, f.n, context.Background()
	t.Helper()
	_, err := n.Ack(ctx, "acked", pipeproc.Token{})
	f.ok(err)
	f.proc(pipeproc.ProcOptions{Name: "acked", Count: 2})
	f.proc(pipeproc.ProcOptions{Name: "late", Topic: "late", Count: 2, Retry: pipeproc.RetryPolicy{Backoff: time.Hour}})
	_, err = n.Reclaim(ctx, "late", pipeproc.Token{}, "late")
	f.ok(err)
	f.proc(pipeproc.ProcOptions{Name: "late ephemeral", Ephemeral: true, Count: 1})
	f.proc(pipeproc.ProcOptions{Name: "late dead", Topic: "late", Count: 1, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}})
	_, err = n.Reclaim(ctx, "late dead", pipeproc.Token{}, "late, too")
	f.ok(err)
	_, err = n.DisableProc(ctx, "begins at the end")
	f.ok(err)
	_, err = n.ResumeProc(ctx, "disabled by reclaims")
	f.ok(err)
	_, err = n.SeekProc(ctx, "seeked", "1600000000000")
	f.ok(err)
	_, err = n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "in Go", ProcessorName: "another one", From: []string{"plain", "late"}, Count: 4, Lanes: 3, Replace: true})
	f.ok(err)
	_, err = n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "late program", From: []string{"late"}, To: []string{"out"}, PerTopic: true, Command: []string{"/opt/program"}, Source: "late"})
	f.ok(err)
}
