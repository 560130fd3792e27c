package remote_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

func serveNode(t testing.TB, n *pipeproc.Node) (addr string) {
	t.Helper()
	return serveWith(t, n, nil)
}

func serveWith(t testing.TB, n *pipeproc.Node, o *rpc.ServeOptions) (addr string) {
	t.Helper()
	a, err := transport.ParseAddr("unix://" + t.TempDir() + "/s.sock")
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen(context.Background(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a.String()
}

func TestRemoteSmoke(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr := serveNode(t, n)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 10 {
		ids, err := c.Commit(ctx, pipeproc.Record{Topic: "a", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: fmt.Append(nil, i)},
			pipeproc.Record{Topic: "b", Body: fmt.Append(nil, i)})
		if err != nil || len(ids) != 2 {
			t.Fatal(ids, err)
		}
	}
	k := 0
	for r, err := range c.Range(ctx, "a", pipeproc.RangeOptions{Start: pipeproc.AtSeq(2), Limit: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Body) != fmt.Sprint(k+2) || string(r.Key) != "k" || len(r.Headers) != 1 {
			t.Error(r)
		}
		k++
	}
	if k != 5 {
		t.Error(k)
	}
	k = 9
	for r, err := range c.Range(ctx, "a", pipeproc.RangeOptions{Reverse: true}) {
		if err != nil || string(r.Body) != fmt.Sprint(k) {
			t.Fatal(r, err)
		}
		k--
	}
	for _, err := range c.Range(ctx, "nope", pipeproc.RangeOptions{}) {
		if pipeproc.Code(err) != "invalid_topic" {
			t.Error(err)
		}
	}
	cl, err := c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Count: 3})
	if err != nil || len(cl.Records) != 3 || len(cl.Records[0].Headers) != 1 {
		t.Fatal(cl, err)
	}
	r, ids, err := c.AckCommit(ctx, "p", cl.Token, pipeproc.Record{Topic: "out"})
	if err != nil || r != cl.Range || len(ids) != 1 {
		t.Fatal(r, ids, err)
	}
	_, err = c.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "sys", From: []string{"a"}, To: []string{"up"}, Count: 4, Processor: func(ctx context.Context, w *pipeproc.Work) error {
		for _, r := range w.Records() {
			w.Emit(r.Body)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitForProcs(ctx, "sys"); err != nil {
		t.Fatal(err)
	}
	if l, err := c.Length(ctx, "up"); l != 10 || err != nil {
		t.Error(l, err)
	}
	lp, err := c.OpenLiveProc(ctx, pipeproc.LiveOptions{Topic: "a"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = c.Commit(ctx, pipeproc.Record{Topic: "a", Body: []byte("live")})
	}()
	cl, err = nextClaim(ctx, lp)
	if err != nil || string(cl.Records[0].Body) != "live" {
		t.Error(cl, err)
	}
	if _, err := lp.Ack(ctx); err != nil {
		t.Error(err)
	}
	if err := lp.Cancel(ctx); err != nil {
		t.Error(err)
	}
	infos, err := c.Procs(ctx)
	if err != nil || len(infos) != 2 || infos[1].Waiting != "" {
		t.Error(infos, err)
	}
	topics, err := c.Topics(ctx)
	if err != nil || len(topics) != 4 {
		t.Error(topics, err)
	}
	for r, err := range c.Follow(ctx, "a", 9) {
		if err != nil {
			t.Fatal(err)
		}
		if r.ID.Seq == 10 {
			break
		}
	}
}

func BenchmarkRemoteRoundTrip(b *testing.B) {
	n, _ := pipeproc.OpenMemory(nil)
	defer n.Close()
	c, err := rpc.Connect(context.Background(), serveNode(b, n), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	body := make([]byte, 128)
	for b.Loop() {
		if _, err := c.Commit(context.Background(), pipeproc.Record{Topic: "t", Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRemotePipelined(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			n, _ := pipeproc.OpenMemory(nil)
			defer n.Close()
			c, err := rpc.Connect(context.Background(), serveNode(b, n), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			body := make([]byte, 128)
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				var batch pipeproc.Batch
				for pb.Next() {
					batch.Reset()
					for range size {
						_ = batch.Add("t", body)
					}
					if err := c.CommitBatch(context.Background(), &batch); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkRemoteRange(b *testing.B) {
	n, _ := pipeproc.OpenMemory(nil)
	defer n.Close()
	var batch pipeproc.Batch
	const total = 500_000
	for range total / 100 {
		batch.Reset()
		for range 100 {
			_ = batch.Add("t", make([]byte, 128))
		}
		if err := n.CommitBatch(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	c, err := rpc.Connect(context.Background(), serveNode(b, n), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		k := 0
		for _, err := range c.Range(context.Background(), "t", pipeproc.RangeOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			k++
		}
		if k != total {
			b.Fatal(k)
		}
	}
	b.ReportMetric(float64(b.N*total)/b.Elapsed().Seconds(), "records/s")
}

// TestRemoteShutdown: a server that shuts down ends calls that wait, and clients
// go on at the one that comes after it.
func TestRemoteShutdown(t *testing.T) {
	m := newMortal(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, m.addr.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waited := make(chan error, 1)
	go func() { waited <- c.WaitForRecord(ctx, "t", 0) }()
	if _, err := c.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t"}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := m.srv.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Error("the shutdown waited for calls that wait:", took)
	}
	m.stop()
	m.start()
	if _, err := c.Commit(ctx, pipeproc.Record{Topic: "t"}); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// TestRemoteEphemeral: the ephemeral procs of a client are there as long as it
// is, and end a while after it.
func TestRemoteEphemeral(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr := serveWith(t, n, &rpc.ServeOptions{Linger: time.Millisecond})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rpc.Connect(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l, err := c.OpenLiveProc(ctx, pipeproc.LiveOptions{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 { // much longer than the node would wait for a client that is gone
		if _, err := other.Commit(ctx, pipeproc.Record{Topic: "t"}); err != nil {
			t.Fatal(err)
		}
		k, err := nextClaim(ctx, l)
		if err != nil || k.Range.First.Seq != uint64(i) {
			t.Fatal(i, k, err)
		}
		if _, err := l.Ack(ctx); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for { // polled, as it is another process's business
		_, err := other.InspectProc(ctx, l.Name())
		if pipeproc.Code(err) == "invalid_proc" {
			return
		}
		if err != nil {
			t.Fatal("the proc of a client that is gone is still there:", err)
		}
	}
}

// A client reads the largest record that its node takes.
func TestRemoteLargeRecord(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("records of that size are refused in a process of 32 bits")
	}
	n, err := pipeproc.OpenMemory(&pipeproc.Options{MaxBody: 73 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	c, err := rpc.Connect(context.Background(), serveNode(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.Commit(ctx, pipeproc.Record{Topic: "a", Body: make([]byte, 73<<20)}); err != nil {
		t.Fatal(err)
	}
	if rec, err := c.Get(ctx, "a", 0); err != nil || len(rec.Body) != 73<<20 {
		t.Error(len(rec.Body), err)
	}
}
