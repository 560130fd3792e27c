package golden_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

var recordTraffic = flag.String("record", "", "record the traffic of the present clients in testdata/traffic-NAME; files that exist are never changed")

// TestRecordTraffic records what TestGoldenTraffic plays:
//
//	go test -run TestRecordTraffic -record NAME .
//
// Each file is the traffic of one client, or of one that is written by hand, with a
// fresh node, a call at a time: the next one begins when nothing is under way except
// calls that are meant to stay. It needs node, for the client of that language.
func TestRecordTraffic(t *testing.T) {
	if *recordTraffic == "" {
		t.Skip("records only with -record")
	}
	folder := "testdata/traffic-" + *recordTraffic
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		name string
		run  func(*recorder)
	}{
		{"go-commit", goCommit}, {"go-range", goRange}, {"go-procs", goProcs}, {"go-procs-errors", goProcErrors}, {"go-admin", goAdmin},
		{"go-wait", goWait}, {"go-systemprocs", goSystemProcs}, {"go-pool", goPool}, {"go-again", goAgain}, {"go-transport", goTransport},
		{"hand-calls", handCalls}, {"hand-batches", handBatches}, {"hand-frames", handFrames}, {"hand-hello", handHello}, {"hand-access", handAccess}, {"hand-plain", handPlain},
		{"node-logs", nodeScript("logs")}, {"node-procs", nodeScript("procs")}, {"node-systemprocs", nodeScript("systemprocs")}, {"node-live", nodeScript("live")},
	} {
		t.Run(s.name, func(t *testing.T) {
			file := folder + "/" + s.name + ".txt"
			if _, err := os.Stat(file); err == nil {
				t.Skip("it is there: golden files are never written again")
			}
			r := newRecorder(t)
			s.run(r)
			text := r.text()
			if dir, _ := os.Getwd(); strings.Contains(text, fmt.Sprintf("%x", dir)) || strings.Contains(text, fmt.Sprintf("%x", os.TempDir()+"/")) {
				t.Fatal("there is a path of this machine in it")
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// recorder is a proxy before a node, which writes down what goes through it.
type recorder struct {
	t    *testing.T
	node string // path of the node's socket
	addr string // of the proxy
	ctx  context.Context

	mu    sync.Mutex
	out   bytes.Buffer
	last  int // the connection of the last line
	conns int
	ended map[int]bool
	open  map[[2]uint64]bool // calls without an answer, by connection and stream
	// cut, if it returns true for a frame of the node, breaks the connection
	// before the client gets it.
	cut func(f *trafficFrame) bool
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{t: t, node: strings.TrimPrefix(serveTraffic(t), "unix://"), ctx: context.Background(), open: make(map[[2]uint64]bool), ended: make(map[int]bool), last: 1}
	path := filepath.Dir(r.node) + "/proxy"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = "unix://" + path
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns++
			n := r.conns
			r.mu.Unlock()
			go r.serve(n, c)
		}
	}()
	return r
}

func (r *recorder) serve(n int, client net.Conn) {
	defer client.Close()
	node, err := net.Dial("unix", r.node)
	if err != nil {
		return
	}
	go func() {
		defer node.Close()
		in := bufio.NewReader(client)
		for {
			f, err := readTrafficFrame(in)
			if err != nil {
				r.gone(n)
				return
			}
			r.frame(n, ">", &f)
			if _, err := node.Write(f.append(nil)); err != nil {
				return
			}
		}
	}()
	in := bufio.NewReader(node)
	for {
		f, err := readTrafficFrame(in)
		if err != nil || r.frame(n, "<", &f) {
			return
		}
		if _, err := client.Write(f.append(nil)); err != nil {
			return
		}
	}
}

// frame writes a frame down, and reports whether to break the connection.
func (r *recorder) frame(n int, who string, f *trafficFrame) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[n] {
		return true
	}
	key := [2]uint64{uint64(n), f.stream}
	switch f.kind {
	case frameRequest, framePing:
		r.open[key] = true
	case frameReply, frameError, frameEnd, framePong:
		if f.flags&flagMoreFollows == 0 {
			delete(r.open, key)
		}
	}
	r.line(n, who, f.append(nil))
	if who == ">" || r.cut == nil || !r.cut(f) {
		return false
	}
	r.cut = nil
	r.end(n)
	return true
}

// gone is called when a client has closed its connection.
func (r *recorder) gone(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(n)
}

// end writes down that connection n ends. r.mu is held.
func (r *recorder) end(n int) {
	if r.ended[n] {
		return
	}
	r.ended[n] = true
	for k := range r.open {
		if k[0] == uint64(n) {
			delete(r.open, k)
		}
	}
	r.on(n)
	r.out.WriteString("> closed\n")
}

func (r *recorder) on(n int) {
	if n != r.last {
		fmt.Fprintf(&r.out, "@ %d\n", n)
		r.last = n
	}
}

func (r *recorder) line(n int, who string, b []byte) {
	r.on(n)
	fmt.Fprintf(&r.out, "%s %x\n", who, b)
}

func (r *recorder) note(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.out, "# "+format+"\n", a...)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// settle waits until as many calls are under way.
func (r *recorder) settle(open int) {
	r.t.Helper()
	end := time.Now().Add(trafficWait)
	for {
		r.mu.Lock()
		n := len(r.open)
		r.mu.Unlock()
		if n == open {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d calls are under way, not %d:\n%s", n, open, r.text())
		}
		time.Sleep(time.Millisecond)
	}
}

// do notes and runs a call that must succeed.
func (r *recorder) do(name string, fn func() error) {
	r.t.Helper()
	if name != "" { // the end of a call that was begun
		r.note("%s", name)
	}
	if err := fn(); err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	r.settle(1) // the session
}

// fails notes and runs a call that must fail with an error of that code.
func (r *recorder) fails(name, code string, fn func() error) {
	r.t.Helper()
	r.note("%s, which is %s", name, code)
	if err := fn(); err == nil || pipeproc.Code(err) != code {
		r.t.Fatalf("%s: %v, want %s", name, err, code)
	}
	r.settle(1)
}

// connect returns a Go client that is recorded.
func (r *recorder) connect() *rpc.Client {
	r.t.Helper()
	r.note("Connect")
	c, err := rpc.Connect(r.ctx, r.addr, &rpc.ConnectOptions{Name: "golden", Timeout: trafficWait, Workers: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	r.settle(1)
	return c
}

// only drops the result of a call.
func only[T any](_ T, err error) error { return err }

func rec(topic, key, body string, headers ...string) pipeproc.Record {
	r := pipeproc.Record{Topic: topic, Body: []byte(body)}
	if key != "" {
		r.Key = []byte(key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, pipeproc.Header{Name: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func goCommit(r *recorder) {
	c, ctx := r.connect(), r.ctx
	batch := func(d pipeproc.Durability, expect int, recs ...pipeproc.Record) func() error {
		return func() error {
			b := pipeproc.Batch{Durability: d}
			for i := range recs {
				if err := b.AddRecord(&recs[i]); err != nil {
					return err
				}
			}
			if expect >= 0 {
				if err := b.Expect("a", uint64(expect)); err != nil {
					return err
				}
			}
			return c.CommitBatch(ctx, &b)
		}
	}
	r.do("Commit of one record", func() error { return only(c.Commit(ctx, rec("a", "", "one"))) })
	r.do("Commit of records of two topics, with keys and headers", func() error {
		return only(c.Commit(ctx, rec("a", "key", "two", "h", "v", "empty", ""), rec("b", "", "three"), rec("a", "", "", "n", "\x00\xff"), rec("b", "k", "")))
	})
	r.do("CommitBatch, durable", batch(pipeproc.Durable, -1, rec("a", "", "four")))
	r.do("CommitBatch, buffered", batch(pipeproc.Buffered, -1, rec("a", "", "five")))
	r.do("CommitBatch on condition", batch(pipeproc.ByMode, 5, rec("a", "", "six")))
	r.fails("CommitBatch on a condition that does not hold", "conflict", batch(pipeproc.ByMode, 5, rec("a", "", "seven")))
	r.fails("Commit of a body that is too large", "too_large", func() error { return only(c.Commit(ctx, rec("a", "", strings.Repeat("x", 2<<10+1)))) })
	r.do("Commit of many records", func() error {
		var recs []pipeproc.Record
		for i := range 30 {
			recs = append(recs, rec("many", "", fmt.Sprint("record ", i)))
		}
		return only(c.Commit(ctx, recs...))
	})
	r.do("EnsureProc", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour}}))
	})
	var claim pipeproc.Claim
	r.do("Proc", func() (err error) {
		claim, err = c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Count: 2})
		return err
	})
	r.do("AckCommit", func() error {
		_, _, err := c.AckCommit(ctx, "p", claim.Token, rec("out", "k", "result"), rec("a", "", "again"))
		return err
	})
	r.fails("AckCommit without a claim", "invalid_ack_or_commit", func() error {
		_, _, err := c.AckCommit(ctx, "p", pipeproc.Token{}, rec("out", "k", "result"))
		return err
	})
	r.do("Sync", func() error { return c.Sync(ctx) })
	r.do("Length", func() error { return only(c.Length(ctx, "out")) })
}

func goRange(r *recorder) {
	c, ctx := r.connect(), r.ctx
	all := func(o pipeproc.RangeOptions, topic string, reverse bool) func() error {
		return func() error {
			seq := c.Range(ctx, topic, o)
			if reverse {
				o.Reverse = true
				seq = c.Range(ctx, topic, o)
			}
			for _, err := range seq {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	r.do("CreateTopic, compressed", func() error { return c.CreateTopic(ctx, "zip", pipeproc.TopicOptions{Compression: pipeproc.Zstd}) })
	for i := range 4 {
		r.do("Commit", func() error {
			return only(c.Commit(ctx, rec("a", "", fmt.Sprint("record ", 2*i)), rec("a", "key", fmt.Sprint("record ", 2*i+1), "h", "v"), rec("zip", "k", strings.Repeat("easy to compress ", 20))))
		})
	}
	for _, topic := range []string{"a", "zip", "old"} {
		r.do("Range of "+topic, all(pipeproc.RangeOptions{}, topic, false))
		r.do("RevRange of "+topic, all(pipeproc.RangeOptions{}, topic, true))
	}
	for _, b := range []struct {
		name string
		o    pipeproc.RangeOptions
	}{
		{"by sequence", pipeproc.RangeOptions{Start: pipeproc.AtSeq(2), End: pipeproc.AtSeq(5)}},
		{"by id", pipeproc.RangeOptions{Start: bound("1700000000000-1"), End: bound("1700000000000-4")}},
		{"by id, exclusive", pipeproc.RangeOptions{Start: bound("1700000000000-1"), End: bound("1700000000000-4"), Exclusive: true}},
		{"by time", pipeproc.RangeOptions{Start: bound("1700000000000"), End: bound("1700000000000")}},
		{"of a time before", pipeproc.RangeOptions{End: bound("1600000000000")}},
		{"with a limit", pipeproc.RangeOptions{Limit: 3}},
		{"with a limit of one", pipeproc.RangeOptions{Start: pipeproc.AtSeq(4), Limit: 1}},
	} {
		rev := b.o
		rev.Start, rev.End = rev.End, rev.Start
		r.do("Range "+b.name, all(b.o, "a", false))
		r.do("RevRange "+b.name, all(rev, "a", true))
	}
	r.fails("Range of no topic", "invalid_topic", all(pipeproc.RangeOptions{}, "nope", false))
	r.fails("Range with a bound that is not there", "invalid_tone_id_search", all(pipeproc.RangeOptions{Start: pipeproc.AtSeq(1 << 63)}, "a", false))
	r.fails("Range from a sequence that is not there", "invalid_tone_id_search", all(pipeproc.RangeOptions{Start: pipeproc.AtSeq(99)}, "a", true))
	r.do("Get", func() error { return only(c.Get(ctx, "a", 1)) })
	r.do("Get of a compressed record", func() error { return only(c.Get(ctx, "zip", 1)) })
	r.do("Get of an imported record", func() error { return only(c.Get(ctx, "old", 3)) })
	r.fails("Get of a sequence that is not there", "invalid_tone_id_search", func() error { return only(c.Get(ctx, "a", 99)) })
	r.fails("Get of no topic", "invalid_topic", func() error { return only(c.Get(ctx, "nope", 0)) })
	r.do("Length", func() error { return only(c.Length(ctx, "a")) })
	r.fails("Length of no topic", "invalid_topic", func() error { return only(c.Length(ctx, "nope")) })
	r.do("Prune", func() error { return c.Prune(ctx, "a", 3) })
	r.fails("Get of a record that is gone", "pruned", func() error { return only(c.Get(ctx, "a", 1)) })
	r.fails("Range from a record that is gone", "invalid_tone_id_search", all(pipeproc.RangeOptions{Start: pipeproc.AtSeq(1)}, "a", false))
	r.do("Range of what is left", all(pipeproc.RangeOptions{}, "a", false))
	r.do("Checkpoint", func() error { return c.Checkpoint(ctx) })
	r.do("Range from segments", all(pipeproc.RangeOptions{}, "zip", false))
	r.do("Follow from a record that is gone, until there is nothing", func() error {
		for rec, err := range c.Follow(ctx, "a", 1) {
			if err != nil && pipeproc.Code(err) != "pruned" {
				return err
			}
			if rec.ID.Seq == 7 {
				return nil // which cancels it
			}
		}
		return nil
	})
}

func goProcs(r *recorder) {
	c, ctx := r.connect(), r.ctx
	var claim pipeproc.Claim
	o := pipeproc.ProcOptions{Name: "p", Topic: "a", Offset: ":0", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 5, ReclaimTimeout: 90 * time.Minute, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "graves", Backoff: time.Hour, MaxBackoff: 2 * time.Hour}}
	take := func(o pipeproc.ProcOptions) func() error {
		return func() (err error) { claim, err = c.Claim(ctx, o); return err }
	}
	r.do("Commit", func() error {
		return only(c.Commit(ctx, rec("a", "", "0"), rec("a", "k", "1", "h", "v"), rec("a", "", "2"), rec("a", "", "3"), rec("a", "", "4")))
	})
	r.do("EnsureProc with every option", func() error { return only(c.EnsureProc(ctx, o)) })
	r.do("EnsureProc of an ephemeral one", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "e", Topic: "a", Offset: "$>", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1, MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyContinue}, Ephemeral: true}))
	})
	r.do("Proc", take(o))
	r.do("Proc while a claim is open", func() error { return only(c.Claim(ctx, o)) })
	r.do("InspectProc", func() error { return only(c.InspectProc(ctx, "p")) })
	r.do("Ack", func() error { return only(c.Ack(ctx, "p", claim.Token)) })
	r.do("Proc, the rest", take(pipeproc.ProcOptions{Name: "p", Topic: "a", Count: -1}))
	r.do("Reclaim", func() error { return only(c.Reclaim(ctx, "p", claim.Token, "a reason")) })
	r.do("Proc while it waits to try again", func() error { return only(c.Claim(ctx, o)) })
	r.do("InspectProc of one that waits", func() error { return only(c.InspectProc(ctx, "p")) })
	dead := pipeproc.ProcOptions{Name: "d", Topic: "a", Count: 1, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter, ReclaimTimeout: time.Hour}}
	r.do("Proc", take(dead))
	r.do("Reclaim to a dead letter", func() error { return only(c.Reclaim(ctx, "d", pipeproc.Token{}, "why")) })
	r.do("RevRange of the dead letter", func() error {
		for _, err := range c.Range(ctx, "a__dead", pipeproc.RangeOptions{Reverse: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	r.do("EnsureProc", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "s", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour}}))
	})
	r.do("Prune before it has seen them", func() error { return c.Prune(ctx, "a", 3) })
	r.do("Proc that skips what was pruned", take(pipeproc.ProcOptions{Name: "s", Topic: "a"}))
	r.do("Ack of whatever is claimed", func() error { return only(c.Ack(ctx, "s", pipeproc.Token{})) })
	r.do("SeekProc", func() error { return only(c.SeekProc(ctx, "s", ">")) })
	r.do("DisableProc", func() error { return only(c.DisableProc(ctx, "s")) })
	r.do("ResumeProc", func() error { return only(c.ResumeProc(ctx, "s")) })
	r.do("AvailableProc", func() error {
		return only(c.ClaimAny(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a"}, pipeproc.ProcOptions{Name: "s", Topic: "a"}))
	})
	r.do("Procs", func() error { return only(c.Procs(ctx)) })
	r.do("DestroyProc", func() error { return only(c.DestroyProc(ctx, "e")) })
	r.do("DestroyProc with an open claim", func() error { return only(c.DestroyProc(ctx, "s")) })
	r.do("Topics", func() error { return only(c.Topics(ctx)) })
}

func goProcErrors(r *recorder) {
	c, ctx := r.connect(), r.ctx
	r.do("Commit", func() error { return only(c.Commit(ctx, rec("a", "", "0"), rec("b", "", "0"))) })
	p := pipeproc.ProcOptions{Name: "p", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour}}
	var claim pipeproc.Claim
	r.do("Proc", func() (err error) { claim, err = c.Claim(ctx, p); return err })
	r.fails("EnsureProc of one that reads another topic", "proc_name_not_unique", func() error { return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "b"})) })
	r.do("Reclaim", func() error { return only(c.Reclaim(ctx, "p", claim.Token, "")) })
	r.fails("Ack of a claim that was given back", "claim_lost", func() error { return only(c.Ack(ctx, "p", claim.Token)) })
	r.fails("Reclaim of a claim that was given back", "claim_lost", func() error { return only(c.Reclaim(ctx, "p", claim.Token, "")) })
	r.fails("Ack without a claim", "invalid_ack", func() error { return only(c.Ack(ctx, "p", pipeproc.Token{})) })
	r.fails("Reclaim without a claim", "nothing_to_reclaim", func() error { return only(c.Reclaim(ctx, "p", pipeproc.Token{}, "")) })
	r.fails("ResumeProc of an active one", "proc_already_active", func() error { return only(c.ResumeProc(ctx, "p")) })
	r.do("DisableProc", func() error { return only(c.DisableProc(ctx, "p")) })
	r.fails("DisableProc of a disabled one", "proc_already_disabled", func() error { return only(c.DisableProc(ctx, "p")) })
	r.fails("Proc of a disabled one", "proc_is_disabled", func() error { return only(c.Claim(ctx, p)) })
	for _, call := range []struct {
		name string
		fn   func() error
	}{
		{"InspectProc", func() error { return only(c.InspectProc(ctx, "nope")) }},
		{"DestroyProc", func() error { return only(c.DestroyProc(ctx, "nope")) }},
		{"Ack", func() error { return only(c.Ack(ctx, "nope", pipeproc.Token{})) }},
		{"Reclaim", func() error { return only(c.Reclaim(ctx, "nope", pipeproc.Token{}, "")) }},
		{"SeekProc", func() error { return only(c.SeekProc(ctx, "nope", ">")) }},
		{"WaitForWork", func() error { return c.WaitForWork(ctx, "nope") }},
	} {
		r.fails(call.name+" of none", "invalid_proc", call.fn)
	}
	r.fails("SeekProc to a bad offset", "invalid_range_offset", func() error { return only(c.SeekProc(ctx, "p", "x")) })
	r.fails("SeekProc to a sequence that is not there", "invalid_tone_id_search", func() error { return only(c.SeekProc(ctx, "p", ":77")) })
	r.fails("EnsureProc behind no topic", "invalid_topic", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "q", Topic: "nope", Offset: ":1"}))
	})
	r.do("DestroyProc", func() error { return only(c.DestroyProc(ctx, "p")) })
	r.do("Proc, which makes it again", func() error { return only(c.Claim(ctx, p)) })
}

func goAdmin(r *recorder) {
	c, ctx := r.connect(), r.ctx
	r.do("Ping", func() error { return c.Ping(ctx) })
	r.do("Stats", func() error { return only(c.Stats(ctx)) })
	r.do("CreateTopic with every option", func() error {
		return c.CreateTopic(ctx, "a", pipeproc.TopicOptions{SegmentSize: 1 << 20, Compression: pipeproc.Zstd})
	})
	r.do("CreateTopic", func() error { return c.CreateTopic(ctx, "b", pipeproc.TopicOptions{}) })
	r.fails("CreateTopic of one that is there", "topic_exists", func() error { return c.CreateTopic(ctx, "a", pipeproc.TopicOptions{}) })
	r.fails("CreateTopic with a bad name", "invalid_topic_format", func() error { return c.CreateTopic(ctx, "a b", pipeproc.TopicOptions{}) })
	r.fails("CreateTopic with bad options", "invalid_options", func() error { return c.CreateTopic(ctx, "c", pipeproc.TopicOptions{SegmentSize: 5}) })
	r.do("Commit", func() error { return only(c.Commit(ctx, rec("a", "", "0"), rec("a", "", "1"), rec("a", "", "2"))) })
	r.do("Topic", func() error { return only(c.Topic(ctx, "a")) })
	r.do("Topic of imported records", func() error { return only(c.Topic(ctx, "old")) })
	r.fails("Topic of none", "invalid_topic", func() error { return only(c.Topic(ctx, "nope")) })
	r.do("Topics", func() error { return only(c.Topics(ctx)) })
	r.do("Prune", func() error { return c.Prune(ctx, "a", 1) })
	r.fails("Prune of none", "invalid_topic", func() error { return c.Prune(ctx, "nope", 1) })
	r.do("SetRetention with every field", func() error {
		return c.SetRetention(ctx, "a", pipeproc.Retention{GC: pipeproc.SwitchOn, MinAge: time.Hour, IgnoreDisabled: pipeproc.SwitchOff, MaxAge: 100 * time.Hour, MaxBytes: 1 << 40, Force: true})
	})
	r.do("Retention", func() error { return only(c.Retention(ctx, "a")) })
	r.do("Retention of a topic without one", func() error { return only(c.Retention(ctx, "b")) })
	r.fails("SetRetention that cannot be", "invalid_options", func() error { return c.SetRetention(ctx, "a", pipeproc.Retention{MaxAge: -1}) })
	r.fails("Retention of none", "invalid_topic", func() error { return only(c.Retention(ctx, "nope")) })
	r.do("EnsureProc", func() error { return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "behind", Topic: "old"})) })
	r.do("GC with every option", func() error {
		return only(c.GC(ctx, pipeproc.GCOptions{Interval: time.Minute, MinAge: time.Hour, IgnoreDisabled: true}))
	})
	r.do("SetRetention by force", func() error { return c.SetRetention(ctx, "old", pipeproc.Retention{MaxAge: time.Hour, Force: true}) })
	r.do("GC, which passes a proc", func() error { return only(c.GC(ctx, pipeproc.GCOptions{})) })
	r.fails("GC with bad options", "invalid_options", func() error { return only(c.GC(ctx, pipeproc.GCOptions{Interval: -1})) })
	r.do("InspectProc of the one that was passed", func() error { return only(c.InspectProc(ctx, "behind")) })
	r.do("DeleteTopic", func() error { return c.DeleteTopic(ctx, "b") })
	r.fails("DeleteTopic of none", "invalid_topic", func() error { return c.DeleteTopic(ctx, "b") })
	r.do("Checkpoint", func() error { return c.Checkpoint(ctx) })
	r.do("Topics", func() error { return only(c.Topics(ctx)) })
	r.do("Stats", func() error { return only(c.Stats(ctx)) })
}

// begin notes and begins a call that waits, and returns once it is under way. end
// waits for its end.
func (r *recorder) begin(name string, open int, fn func() error) (end func() error) {
	r.t.Helper()
	r.note("%s", name)
	done := make(chan error, 1)
	go func() { done <- fn() }()
	r.settle(open)
	return func() error { return <-done }
}

func goWait(r *recorder) {
	c, ctx := r.connect(), r.ctx
	commit := func(topic string) func() error {
		return func() error { return only(c.Commit(ctx, rec(topic, "", "x"))) }
	}
	r.do("Commit", commit("a"))
	r.do("WaitFor what is there", func() error { return c.WaitForRecord(ctx, "a", 0) })
	end := r.begin("WaitFor what is not there yet", 2, func() error { return c.WaitForRecord(ctx, "a", 1) })
	r.do("Commit, which ends it", commit("a"))
	r.do("", end)
	end = r.begin("WaitFor a topic that is not there", 2, func() error { return c.WaitForRecord(ctx, "later", 0) })
	r.do("Commit, which ends it", commit("later"))
	r.do("", end)
	stopped, cancel := context.WithCancel(ctx)
	end = r.begin("WaitFor that is cancelled", 2, func() error { return c.WaitForRecord(stopped, "a", 99) })
	r.note("the cancellation")
	cancel()
	if err := end(); !errors.Is(err, context.Canceled) {
		r.t.Fatal(err)
	}
	r.settle(1)
	r.do("WaitForProcs, all", func() error { return c.WaitForProcs(ctx) })
	r.do("EnsureProc", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour}}))
	})
	r.do("WaitForWork that is there", func() error { return c.WaitForWork(ctx, "p") })
	r.do("Proc", func() error { return only(c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Count: -1})) })
	end = r.begin("WaitForProcs of two", 2, func() error { return c.WaitForProcs(ctx, "p", "nope") })
	r.do("Ack, which ends it", func() error { return only(c.Ack(ctx, "p", pipeproc.Token{})) })
	r.do("", end)
	end = r.begin("WaitForWork", 2, func() error { return c.WaitForWork(ctx, "p") })
	r.do("Commit, which ends it", commit("a"))
	r.do("", end)
	stopped, cancel = context.WithCancel(ctx)
	end = r.begin("Follow", 2, func() error {
		for _, err := range c.Follow(stopped, "a", 1) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		r.note("Commit, which it sees")
		before := strings.Count(r.text(), "\n")
		if err := commit("a")(); err != nil {
			r.t.Fatal(err)
		}
		r.lines(before + 3) // request, reply, item
	}
	r.note("the cancellation")
	cancel()
	if err := end(); !errors.Is(err, context.Canceled) {
		r.t.Fatal(err)
	}
	r.settle(1)
	r.do("Sync", func() error { return c.Sync(ctx) })
	r.do("Commit of the last one", commit("a"))
}

// lines waits until as many lines are written.
func (r *recorder) lines(n int) {
	r.t.Helper()
	end := time.Now().Add(trafficWait)
	for strings.Count(r.text(), "\n") < n {
		if time.Now().After(end) {
			r.t.Fatalf("there are not %d lines:\n%s", n, r.text())
		}
		time.Sleep(time.Millisecond)
	}
}

func goSystemProcs(r *recorder) {
	c, ctx := r.connect(), r.ctx
	full := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, PerTopic: true, To: []string{"c", "d"}, ProcessorName: "proc", Count: 3, Lanes: 2, Replace: true,
		Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: 4, ReclaimTimeout: time.Hour, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "graves", Backoff: time.Second, MaxBackoff: time.Minute}}
	define := func(o pipeproc.SystemProcOptions) func() error {
		return func() error { return only(c.DefineSystemProc(ctx, o)) }
	}
	r.do("SystemProc with every option", define(full))
	program := pipeproc.SystemProcOptions{Name: "program", From: []string{"a"}, Command: []string{"/opt/program", "-x"}, Source: "a source"}
	r.do("SystemProc of a program", define(program))
	r.do("SystemProc again", define(program))
	program.Count = 5
	r.fails("SystemProc that differs", "proc_definition_differs", define(program))
	program.Replace = true
	r.do("SystemProc in its place", define(program))
	r.do("SystemProc of this program", define(pipeproc.SystemProcOptions{Name: "self", From: []string{"a"}, Command: []string{"@self"}, ProcessorName: "inner"}))
	r.do("EnsureProc", func() error { return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "taken", Topic: "b"})) })
	r.fails("SystemProc of a name that is taken", "proc_name_not_unique", define(pipeproc.SystemProcOptions{Name: "taken", From: []string{"a"}}))
	r.do("SystemProcs", func() error { return only(c.SystemProcs(ctx)) })
	r.do("Procs", func() error { return only(c.Procs(ctx)) })
	r.do("Register of a processor that nobody names, which asks for definitions", func() error { return c.Register("other", nop) })
	r.do("DestroyProc of a system proc", func() error { return only(c.DestroyProc(ctx, "s__a")) })
	r.do("InspectProc", func() error { return only(c.InspectProc(ctx, "s__b")) })
}

func goPool(r *recorder) {
	c, ctx := r.connect(), r.ctx
	fail := true
	r.note("SystemProc with a processor, which watches")
	_, err := c.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"a"}, To: []string{"b"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour, Backoff: time.Hour},
		Processor: func(_ context.Context, w *pipeproc.Work) error {
			for _, rec := range w.Records() {
				if string(rec.Body) == "bad" && fail {
					return errors.New("it is bad")
				}
				w.Emit(append([]byte("done: "), rec.Body...))
			}
			return nil
		}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.quiet(2)
	for _, body := range []string{"one", "two", "bad"} {
		r.note("Commit of %q, which is claimed", body)
		if _, err := c.Commit(ctx, rec("a", "", body)); err != nil {
			r.t.Fatal(err)
		}
		r.quiet(2)
	}
	r.note("SystemProcs, one of which runs elsewhere")
	if _, err := c.SystemProcs(ctx); err != nil {
		r.t.Fatal(err)
	}
	r.quiet(2)
	r.note("DestroyProc, which ends the watch")
	if _, err := c.DestroyProc(ctx, "s"); err != nil {
		r.t.Fatal(err)
	}
	r.quiet(1)
}

// quiet waits until as many calls are under way, and have been for a while in
// which nothing came.
func (r *recorder) quiet(open int) {
	r.t.Helper()
	for n := -1; n != strings.Count(r.text(), "\n"); {
		n = strings.Count(r.text(), "\n")
		r.settle(open)
		time.Sleep(100 * time.Millisecond)
		r.settle(open)
	}
}

func goAgain(r *recorder) {
	c, ctx := r.connect(), r.ctx
	cut := func(kind byte, skip int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cut = func(f *trafficFrame) bool {
			if f.kind == kind {
				skip--
			}
			return skip < 0
		}
	}
	r.do("CreateTopic", func() error { return c.CreateTopic(ctx, "a", pipeproc.TopicOptions{}) })
	cut(frameReply, 0)
	r.do("Commit whose answer is lost, and which is sent again", func() error { return only(c.Commit(ctx, rec("a", "", "one"), rec("a", "", "two"))) })
	for range 3 {
		r.do("Commit", func() error { return only(c.Commit(ctx, rec("a", "", "more"))) })
	}
	r.do("EnsureProc", func() error {
		return only(c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour}}))
	})
	cut(frameReply, 0)
	r.do("Proc whose answer is lost", func() error { return only(c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Count: 2})) })
	cut(frameReply, 0)
	r.do("Ack whose answer is lost", func() error { return only(c.Ack(ctx, "p", pipeproc.Token{})) })
	cut(frameReply, 0)
	r.do("SetRetention whose answer is lost", func() error { return c.SetRetention(ctx, "a", pipeproc.Retention{MaxAge: 1000 * time.Hour}) })
	cut(frameItem, 2)
	r.do("Range that is broken off, and goes on over another connection", func() error {
		n := 0
		for _, err := range c.Range(ctx, "a", pipeproc.RangeOptions{}) {
			if err != nil {
				return err
			}
			n++
		}
		if n != 5 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	cut(frameItem, 1)
	r.do("RevRange that is broken off, and begins again", func() error {
		for _, err := range c.Range(ctx, "a", pipeproc.RangeOptions{Reverse: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	r.do("Length", func() error { return only(c.Length(ctx, "a")) })
}

// goTransport uses the Go client's transport alone, with little credit.
func goTransport(r *recorder) {
	a, err := transport.ParseAddr(r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := transport.Dial(r.ctx, a, &transport.DialOptions{Timeout: trafficWait, Name: "transport", StreamCredit: 100, MaxMessage: 1 << 20, ClientID: [16]byte{1, 2, 3}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	do := func(name string, fn func() error) {
		r.t.Helper()
		r.note("%s", name)
		if err := fn(); err != nil {
			r.t.Fatal(name, err)
		}
		r.settle(0)
	}
	do("Ping", func() error { return c.Ping(r.ctx) })
	for i := range 8 {
		do("a commit", func() error {
			return only(c.Call(r.ctx, 2, fullBody(fullCommit([]byte{0}, "a", fmt.Sprint("record ", i), -1), 0, 0, 0)))
		})
	}
	do("a range with little credit", func() error {
		s, err := c.Stream(r.ctx, 7, fullText(nil, "a"), []byte{16, 0, 0, 0})
		for err == nil {
			_, err = s.Next(r.ctx)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	r.note("a range that waits for credit, and is cancelled")
	before := strings.Count(r.text(), "\n")
	s, err := c.Stream(r.ctx, 7, fullText(nil, "a"), []byte{16, 0, 0, 0})
	if err != nil {
		r.t.Fatal(err)
	}
	r.lines(before + 3) // request, span, a block: more than there is credit for
	r.quiet(1)
	_ = s.Close()
	r.settle(0)
	do("Ping", func() error { return c.Ping(r.ctx) })
}

// hand is a client that is written by hand: what it sends need not be right.
type hand struct {
	r    *recorder
	n    int
	nc   net.Conn
	in   *bufio.Reader
	next uint64
}

// hand makes a connection, without a hello.
func (r *recorder) hand() *hand {
	r.t.Helper()
	nc, err := net.Dial("unix", r.node)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	r.conns++
	return &hand{r: r, n: r.conns, nc: nc, in: bufio.NewReader(nc)}
}

func (h *hand) write(b []byte) {
	h.r.t.Helper()
	h.r.mu.Lock()
	h.r.line(h.n, ">", b)
	h.r.mu.Unlock()
	if _, err := h.nc.Write(b); err != nil {
		h.r.t.Fatal(err)
	}
}

func (h *hand) frame(kind, flags byte, method uint16, stream uint64, payload []byte) {
	h.r.t.Helper()
	f := trafficFrame{kind, flags, method, stream, payload}
	h.write(f.append(nil))
}

// read reads frames up to one that is no item.
func (h *hand) read() {
	h.r.t.Helper()
	for h.one().kind == frameItem {
	}
}

func (h *hand) one() trafficFrame {
	h.r.t.Helper()
	_ = h.nc.SetReadDeadline(time.Now().Add(trafficWait))
	f, err := readTrafficFrame(h.in)
	if err != nil {
		h.r.t.Fatalf("%v, after\n%s", err, h.r.text())
	}
	h.r.mu.Lock()
	h.r.line(h.n, "<", f.append(nil))
	h.r.mu.Unlock()
	return f
}

// closed reads the end of the connection.
func (h *hand) closed() {
	h.r.t.Helper()
	_ = h.nc.SetReadDeadline(time.Now().Add(trafficWait))
	if _, err := h.in.ReadByte(); !errors.Is(err, io.EOF) {
		h.r.t.Fatal("it is not closed: ", err)
	}
	h.r.mu.Lock()
	h.r.on(h.n)
	h.r.out.WriteString("< closed\n")
	h.r.mu.Unlock()
}

func helloOf(least, most uint16, features, message, credit uint32, name string) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(le.AppendUint16([]byte("PPRPC\n"), least), most)
	b = le.AppendUint32(append(b, 0, 0), features)
	b = le.AppendUint32(le.AppendUint32(b, message), credit)
	b = append(b, make([]byte, 8)...)
	b = append(b, "golden by hand.."...)
	b = append(b, make([]byte, 8)...)
	return append(le.AppendUint16(b, uint16(len(name))), name...)
}

// greeted makes a connection with a hello.
func (r *recorder) greeted(name string) *hand {
	r.t.Helper()
	h := r.hand()
	h.frame(frameHello, 0, 0, 0, helloOf(1, 1, 0, 1<<20, 1<<20, name))
	h.one()
	return h
}

func (h *hand) ask(note string, method uint16, body []byte) {
	h.r.t.Helper()
	h.askWithin(note, method, 0, body)
	h.read()
}

func (h *hand) askWithin(note string, method uint16, ms uint32, body []byte) {
	h.r.t.Helper()
	h.r.note("%s", note)
	h.next++
	h.frame(frameRequest, 0, method, h.next, append(binary.LittleEndian.AppendUint32(nil, ms), body...))
}

func noKey(body []byte) []byte { return fullBody(body, 0, 0, 0) }

func handCalls(r *recorder) {
	h := r.greeted("")
	none := []byte{0, 0} // a token
	admin := func(note, call, args string) { h.ask(note, 15, noKey(fullAdmin(call, args))) }
	h.ask("a commit", 2, noKey(fullCommit([]byte{0}, "a", "one", -1)))
	h.ask("a commit", 2, noKey(fullCommit([]byte{0}, "a", "two", -1)))
	for _, method := range []uint16{0, 16, 255, 65535} {
		h.ask("a method that there is not", method, nil)
	}
	for method := uint16(2); method <= 15; method++ {
		if method != 10 { // sync has no body
			h.ask("a body that is none", method, []byte{0x80})
		}
	}
	admin("an admin call that there is not", "nope", "{}")
	admin("arguments that are no JSON", "topic", "{")
	admin("arguments of another type", "seekProc", `{"name":5}`)
	admin("a bad option", "ensureProc", `{"Name":"p","Topic":"a","MaxReclaims":-7}`)
	admin("a bad option", "ensureProc", `{"Name":"p","Topic":"a","OnMaxReclaims":9}`)
	admin("a bad name", "ensureProc", `{"Name":"","Topic":"a"}`)
	admin("a bad option of a system proc", "systemProc", `{"options":{"Name":"s","From":[]}}`)
	admin("a source without a command", "systemProc", `{"options":{"Name":"s","From":["a"],"Source":"x"}}`)
	admin("a proc", "ensureProc", `{"Name":"p","Topic":"a","ReclaimTimeout":3600000000000}`)
	h.ask("a claim", 6, noKey(binary.AppendVarint(fullText(nil, "p"), 1)))
	h.ask("its release", 5, noKey(append(fullText(nil, "p"), none...)))
	h.ask("a release without a claim", 5, noKey(append(fullText(nil, "p"), none...)))
	h.ask("a claim for a proc that reads another topic", 6, noKey(fullText(binary.AppendVarint(fullText(nil, "p"), 1), "b")))
	h.ask("a claim for no proc", 6, noKey(binary.AppendVarint(fullText(nil, "nope"), 1)))
	h.ask("a commit under a key", 2, fullBody(fullCommit([]byte{0}, "a", "three", -1), 1, 1, 0))
	h.ask("the same again", 2, fullBody(fullCommit([]byte{0}, "a", "three", -1), 1, 1, 1))
	h.ask("another command under its key", 3, fullBody(append(fullText(nil, "p"), none...), 1, 1, 1))
	h.ask("a commit that says that the one before was answered", 2, fullBody(fullCommit([]byte{0}, "a", "four", -1), 2, 2, 0))
	h.ask("the one before again", 2, fullBody(fullCommit([]byte{0}, "a", "three", -1), 1, 1, 1))
	span := func(flags byte, from, to, limit byte) []byte {
		return append(fullText(nil, "a"), flags, from, to, limit)
	}
	h.ask("a range of a span", 7, span(8, 1, 3, 0))
	h.ask("a range of a span, plain, with a limit", 7, span(8|16, 0, 9, 2))
	h.ask("a range of a span, backwards", 7, span(8|2, 0, 3, 0))
	h.ask("a range with a flag that there is not", 7, span(32, 0, 0, 0))
	h.ask("a range with bytes behind", 7, append(span(8, 0, 3, 0), 0))
	h.ask("sync", 10, nil)
	h.askWithin("a wait with a deadline", 11, 20, append(fullText(nil, "a"), 99))
	h.read()
	h.askWithin("a range with a deadline", 7, 20, append(fullText(nil, "a"), 4, 0, 0, 0))
	h.read()
	h.askWithin("a wait that is cancelled", 13, 0, fullText(nil, "nope"))
	h.read()
	h.askWithin("a wait that is cancelled", 11, 0, append(fullText(nil, "a"), 99))
	h.frame(frameCancel, 0, 0, h.next, nil)
	h.read()
	h.askWithin("a watch that is cancelled", 14, 0, fullText(nil, "p", "a"))
	h.one()
	h.frame(frameCancel, 0, 0, h.next, nil)
	h.read()
	h.askWithin("a session that is cancelled", 1, 0, nil)
	h.one()
	h.frame(frameCancel, 0, 0, h.next, nil)
	h.read()
}

func handBatches(r *recorder) {
	h := r.greeted("")
	commit := func(note string, batch ...byte) { h.ask(note, 2, noKey(append([]byte{0, 0}, batch...))) }
	record := func(body string) []byte { return append([]byte{byte(len(body) << 1)}, body...) }
	explicit := func(seqs ...byte) []byte { // ids with these sequences
		b := append(fullText([]byte{1}, "ids"), 2, 0, byte(len(seqs)))
		for _, s := range seqs {
			b = append(binary.AppendVarint(append(b, 1, 2), 1_600_000_000_000), s)
		}
		for range seqs {
			b = append(b, record("x")...)
		}
		return b
	}
	commit("a batch without topics", 0)
	commit("a batch without records", append(fullText([]byte{1}, "a"), 0, 0, 0)...)
	commit("a bad name of a topic", append(append(fullText([]byte{1}, "a b"), 0, 0, 1, 1, 2), record("x")...)...)
	commit("a topic twice", append(append(fullText(append(fullText([]byte{2}, "a"), 0, 0, 1, 1, 2), "a"), 0, 0, 1, 1, 2), "\x02x\x02x"...)...)
	commit("a flag that there is not", append(append(fullText([]byte{1}, "a"), 4, 0, 1, 1, 2), record("x")...)...)
	commit("records that are cut off", append(fullText([]byte{1}, "a"), 0, 0, 1, 1, 9, 2)...)
	commit("a condition alone", append(fullText([]byte{1}, "a"), 1, 0, 0)...)
	commit("ids of the client's", explicit(3, 9)...)
	commit("ids that fall", explicit(12, 11)...)
	commit("ids that are there", explicit(9)...)
	commit("two cuts", append(append(append(fullText([]byte{1}, "a"), 0, 0, 2, 1, 2, 1, 3), record("x")...), record("xy")...)...)
	commit("several topics", append(append(fullText(append(fullText([]byte{2}, "a"), 0, 0, 1, 1, 2), "b"), 0, 0, 1, 1, 2), "\x02x\x02y"...)...)
	for _, durability := range []byte{0, 1, 2, 9} {
		h.ask(fmt.Sprint("durability ", durability), 2, noKey(append([]byte{durability, 0}, append(append(fullText([]byte{1}, "a"), 0, 0, 1, 1, 2), record("x")...)...)))
	}
	h.ask("neither with nor without an acknowledgement", 2, noKey([]byte{0, 2, 0}))
	large := append(fullText([]byte{1}, "a"), 0, 0, 5)
	for range 5 {
		large = binary.AppendUvarint(append(large, 1), 1902)
	}
	for range 5 {
		large = append(binary.AppendUvarint(large, 1900<<1), strings.Repeat("x", 1900)...)
	}
	commit("a batch that is too large", large...)
	h.ask("the topics", 15, noKey(fullAdmin("topics", "{}")))
}

func handFrames(r *recorder) {
	h := r.greeted("")
	r.note("pings")
	for _, stream := range []uint64{1, 7, 1 << 63} {
		h.frame(framePing, 0, 0, stream, nil)
		h.read()
	}
	h.next = 100
	r.note("a pong, a credit and a cancel that nobody waits for")
	h.frame(framePong, 0, 0, 5, nil)
	h.frame(frameCredit, 0, 0, 5, []byte{1, 0, 0, 0})
	h.frame(frameCancel, 0, 0, 5, nil)
	r.note("a request in three frames, with a ping between them")
	body := append(make([]byte, 4), noKey(fullCommit([]byte{0}, "a", "in three frames", -1))...)
	h.frame(frameRequest, 1, 2, 101, body[:5])
	h.frame(framePing, 0, 0, 102, nil)
	h.read()
	h.frame(frameRequest, 1, 2, 101, body[5:9])
	h.frame(frameRequest, 0, 2, 101, body[9:])
	h.read()
	r.note("a request that is cancelled before it is there")
	h.frame(frameRequest, 1, 2, 103, body[:9])
	h.frame(frameCancel, 0, 0, 103, nil)
	h.read()
	r.note("two calls on one stream that is in use")
	wait := append(make([]byte, 4), append(fullText(nil, "a"), 99)...)
	h.frame(frameRequest, 0, 11, 104, wait)
	h.frame(frameRequest, 0, 11, 104, wait)
	for h.one().stream != 0 {
	}
	h.closed()
	bad := func(note string, b []byte) {
		h := r.greeted("")
		r.note("%s", note)
		h.write(b)
		h.read()
		h.closed()
	}
	frame := func(kind, flags byte, method uint16, stream uint64, payload string) []byte {
		f := trafficFrame{kind, flags, method, stream, []byte(payload)}
		return f.append(nil)
	}
	sum := frame(framePing, 0, 0, 1, "")
	sum[4]++
	bad("a wrong checksum", sum)
	bad("a kind that there is not", frame(13, 0, 0, 1, ""))
	bad("a flag that there is not", frame(frameRequest, 2, 2, 1, "xxxx"))
	bad("another hello", frame(frameHello, 0, 0, 0, string(helloOf(1, 1, 0, 1<<20, 1<<20, ""))))
	bad("a reply of a client", frame(frameReply, 0, 0, 1, ""))
	bad("a ping on stream 0", frame(framePing, 0, 0, 0, ""))
	bad("a request without a timeout", frame(frameRequest, 0, 10, 1, "xx"))
	bad("a frame that is too large", append([]byte{1, 0, 0x10, 0}, frame(frameRequest, 0, 10, 1, "")[4:]...))
}

func handHello(r *recorder) {
	refused := func(note string, payload []byte) {
		h := r.hand()
		r.note("%s", note)
		h.frame(frameHello, 0, 0, 0, payload)
		h.read()
		h.closed()
	}
	refused("later versions only", helloOf(2, 3, 0, 1<<20, 0, ""))
	refused("a feature that is required", helloOf(1, 1, 1<<16, 1<<20, 0, ""))
	refused("messages that are too small", helloOf(1, 1, 0, 1023, 0, ""))
	refused("versions that cannot be", helloOf(2, 1, 0, 1<<20, 0, ""))
	refused("a name that is no UTF-8", helloOf(1, 1, 0, 1<<20, 0, "\xff"))
	h := r.hand()
	r.note("something else than a hello")
	h.write([]byte("GET / HTTP/1.1\r\n\r\n"))
	h.closed()
	r.note("features that are not required, later versions, and bytes behind the name")
	h = r.hand()
	h.frame(frameHello, 0, 0, 0, append(helloOf(1, 9, 0xffff, 1024, 7, "later"), "more"...))
	h.one()
	h.frame(framePing, 0, 0, 1, nil)
	h.read()
	r.note("as many as the node takes, and one more")
	for range 11 {
		r.greeted("one of twelve")
	}
	refused("the last", helloOf(1, 1, 0, 1<<20, 0, "one too many"))
}

func handAccess(r *recorder) {
	all := func(h *hand) {
		commit := noKey(fullCommit([]byte{0}, "a", "x", -1))
		proc := noKey(append(fullText(nil, "p"), 0, 0))
		h.ask("commit", 2, commit)
		h.ask("ack", 3, proc)
		h.ask("reclaim", 4, append(proc, 0))
		h.ask("release", 5, proc)
		h.ask("claim", 6, noKey(append(fullText(nil, "p"), 2)))
		h.ask("range", 7, append(fullText(nil, "old"), 0, 0, 0, 2))
		h.ask("get", 8, append(fullText(nil, "old"), 0))
		h.ask("length", 9, fullText(nil, "old"))
		h.ask("sync", 10, nil)
		h.ask("wait", 11, append(fullText(nil, "old"), 0))
		h.ask("ping", 15, noKey(fullAdmin("ping", "{}")))
		for _, call := range strings.Fields("topics retention definitions ensureProc seekProc createTopic prune setRetention gc checkpoint systemProc deleteTopic") {
			h.ask(call, 15, noKey(fullAdmin(call, "{}")))
		}
	}
	for _, name := range []string{"nobody", "reader", "writer"} {
		r.note("a client that is called %s", name)
		all(r.greeted(name))
	}
}

// handPlain reads a compressed topic as the Node client does, which has no means to
// make one.
func handPlain(r *recorder) {
	h := r.greeted("")
	h.ask("a compressed topic", 15, noKey(fullAdmin("createTopic", `{"name":"zip","options":{"Compression":1}}`)))
	for i := range 3 {
		h.ask("a commit", 2, noKey(fullCommit([]byte{0}, "zip", fmt.Sprint(i, strings.Repeat(" easy to compress", 20)), -1)))
	}
	h.ask("a range", 7, append(fullText(nil, "zip"), 0, 0, 0, 0))
	h.ask("a range, plain", 7, append(fullText(nil, "zip"), 16, 0, 0, 0))
	h.ask("a range of a span, plain", 7, append(fullText(nil, "zip"), 8|16, 1, 2, 0))
}

// nodeScript runs a script of testdata/record-traffic.js.
func nodeScript(name string) func(r *recorder) {
	return func(r *recorder) {
		cmd := exec.Command("node", "testdata/record-traffic.js", name, strings.TrimPrefix(r.addr, "unix://"))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			r.t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			r.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill() }()
		lines := bufio.NewScanner(out)
		for lines.Scan() { // calls under way, and what comes next
			var open int
			what, note, _ := strings.Cut(lines.Text(), " ")
			if _, err := fmt.Sscan(what, &open); err != nil {
				r.t.Fatal(lines.Text())
			}
			r.quiet(open)
			r.note("%s", note)
			if _, err := io.WriteString(in, "\n"); err != nil {
				r.t.Fatal(err)
			}
		}
		if err := cmd.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
}
