package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFifo(t *testing.T) {
	var q fifo[int]
	in, out := 0, 0
	for i := range 10_000 {
		for range i % 5 {
			q.push(in)
			in++
		}
		for range min(i%4+1, q.len()) {
			if v := q.pop(); v != out {
				t.Fatalf("%d in place of %d", v, out)
			}
			out++
		}
		if q.len() != in-out {
			t.Fatal(q.len())
		}
	}
	if cap(q.all) > 4*max(q.len(), 64) {
		t.Errorf("%d elements for %d", cap(q.all), q.len())
	}
}

func TestBuffers(t *testing.T) {
	var p buffers
	for _, n := range []int{0, 1, 511, 512, 513, 1024, 5000, 64 << 10} {
		b := p.get(n)
		if len(b.b) != 0 || cap(b.b) < n || cap(b.b) > max(2*n, 512) {
			t.Errorf("%d: %d of %d", n, len(b.b), cap(b.b))
		}
		p.put(b)
	}
	for _, n := range []int{64<<10 + 1, 1 << 20, 1 << 30} {
		if b := p.get(n); cap(b.b) != 0 {
			t.Errorf("%d bytes for what has not arrived", cap(b.b))
		}
	}
	for n := 1; n < 4<<20; n += n/7 + 1 {
		p.put(&buffer{make([]byte, n)})
		b := p.get(n)
		if cap(b.b) >= 4*max(n, 512) || len(b.b) != 0 {
			t.Errorf("%d bytes for %d", cap(b.b), n)
		}
	}
	p.put(nil)
}

// The context of a call is one that package context can work with.
func TestCallContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		base := context.WithValue(t.Context(), key{}, 1)
		c := &callContext{base: base}
		if _, ok := c.Deadline(); ok || c.Err() != nil || c.Value(key{}) != 1 {
			t.Error("not as it begins")
		}
		goroutines := runtime.NumGoroutine()
		child, cancel := context.WithTimeout(c, time.Hour)
		defer cancel()
		stopped, cancelStopped := context.WithCancel(c)
		var called atomic.Int32
		stop := context.AfterFunc(c, func() { called.Add(1) })
		context.AfterFunc(c, func() { called.Add(10) })
		if n := runtime.NumGoroutine(); n != goroutines {
			t.Errorf("%d goroutines for contexts", n-goroutines)
		}
		if !stop() || stop() {
			t.Error("stop")
		}
		cancelStopped()
		done := c.Done()
		c.cancel()
		c.cancel()
		synctest.Wait()
		<-done
		<-c.Done()
		for _, err := range []error{c.Err(), child.Err(), stopped.Err(), context.Cause(child)} {
			if err != context.Canceled {
				t.Error(err)
			}
		}
		if called.Load() != 10 {
			t.Error(called.Load())
		}
		late := &callContext{base: base}
		late.cancel()
		<-late.Done()
		if stop := context.AfterFunc(late, func() { called.Add(100) }); stop() {
			t.Error("stopped")
		}
		synctest.Wait()
		if called.Load() != 110 {
			t.Error(called.Load())
		}
	})
}

// Calls that block hold up none after them, and idle goroutines are kept.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w workers
		var running, done atomic.Int32
		gate := make(chan struct{})
		w.run = func(c *Call) {
			running.Add(1)
			if c.method == 1 {
				<-gate
			}
			running.Add(-1)
			done.Add(1)
			if c.method == 2 {
				runtime.Goexit()
			}
		}
		for round := range 3 {
			done.Store(0)
			for i := range 300 {
				w.add(&Call{method: uint16(i % 3)})
			}
			synctest.Wait()
			if running.Load() != 100 || done.Load() != 200 {
				t.Fatalf("round %d: %d run, %d are done", round, running.Load(), done.Load())
			}
			for range 100 {
				gate <- struct{}{}
			}
			synctest.Wait()
			if done.Load() != 300 || w.queue.len() != 0 || len(w.idle) == 0 || len(w.idle) > keepWorkers {
				t.Fatalf("round %d: %d are done, %d idle", round, done.Load(), len(w.idle))
			}
		}
		w.close()
	})
}

// countingConn counts writes, and lets each wait.
type countingConn struct {
	net.Conn
	gate   chan struct{}
	writes atomic.Int32
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	<-c.gate
	return c.Conn.Write(p)
}

// What is added while a write is on goes out together with the next, in order.
func TestWriterCombines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := &countingConn{Conn: ours, gate: make(chan struct{}, 100)}
		var bufs buffers
		var callers atomic.Int32
		w := newWriter(c, 1<<20, time.Hour, &bufs, &callers, func(error) {})
		var all []byte
		var mu sync.Mutex
		go func() {
			b := make([]byte, 1<<20)
			for {
				n, err := theirs.Read(b)
				mu.Lock()
				all = append(all, b[:n]...)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
		const frames = 100
		var lent sync.WaitGroup
		for i := range uint64(frames) {
			if i%10 == 3 {
				lent.Go(func() {
					b := bytes.Repeat([]byte{byte(i)}, 40_000)
					m := message{kind: KindItem, stream: i + 1, size: len(b), parts: [][]byte{b[:10], b[10:]}}
					if err := w.send(t.Context(), &m, new(lentFrame)); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				continue
			}
			if err := w.post(control(KindItem, i+1, bytes.Repeat([]byte{byte(i)}, int(i)))); err != nil {
				t.Error(err)
			}
		}
		drained := make(chan error, 1)
		go func() { drained <- w.drain(t.Context()) }()
		close(c.gate)
		if err := <-drained; err != nil {
			t.Error(err)
		}
		lent.Wait()
		synctest.Wait()
		if n := c.writes.Load(); n > 10 {
			t.Errorf("%d writes", n)
		}
		mu.Lock()
		r := NewFrameReader(bytes.NewReader(all))
		mu.Unlock()
		for i := range uint64(frames) {
			f, err := r.Next()
			if err != nil || f.Stream != i+1 || len(f.Payload) > 0 && f.Payload[0] != byte(i) {
				t.Fatalf("frame %d: stream %d, %v", i, f.Stream, err)
			}
		}
		if w.queued != 0 || w.full() {
			t.Error(w.queued)
		}
		ours.Close()
		theirs.Close()
	})
}

// Goroutines that wait for room, for a lent frame, or for the end, get the
// error of a failure.
func TestWriterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var bufs buffers
		var callers atomic.Int32
		var failures atomic.Int32
		w := newWriter(ours, 10_000, time.Hour, &bufs, &callers, func(error) { failures.Add(1); ours.Close() })
		errsOf := make(chan error, 10)
		for range 3 {
			go func() { errsOf <- w.send(t.Context(), control(KindItem, 1, make([]byte, 50_000)), new(lentFrame)) }()
			synctest.Wait()
		}
		go func() { errsOf <- w.send(t.Context(), control(KindItem, 1, nil), nil) }()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { errsOf <- w.send(ctx, control(KindItem, 1, nil), nil) }()
		go func() { errsOf <- w.wait() }()
		synctest.Wait()
		cancel()
		if err := <-errsOf; err != context.Canceled {
			t.Error(err)
		}
		theirs.Close()
		for range 5 {
			if err := <-errsOf; !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
		}
		if err := w.post(control(KindPing, 1, nil)); err == nil || failures.Load() == 0 {
			t.Error(err)
		}
		if err := w.drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A client keeps to the limits of its node; a call that waits for its turn can
// give up, and gets it in order.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, node := net.Pipe()
		r := NewFrameReader(node)
		go func() {
			_, _ = r.Next()
			w := Welcome{Version: 1, Limits: Limits{MaxMessage: 1 << 20, MaxCalls: 3, MaxBytes: 10_000}}
			_, _ = node.Write(AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, &w)}))
		}()
		c, err := NewConn(t.Context(), client, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 10)
		call := func(ctx context.Context, name string, size int) {
			go func() {
				_, err := c.Call(ctx, 1, make([]byte, size))
				got <- fmt.Sprint(name, " ", err)
			}()
			synctest.Wait()
		}
		arrived := func() (ids []uint64) {
			frames := make(chan uint64, 10)
			go func() {
				for {
					f, err := r.Next()
					if err != nil {
						close(frames)
						return
					}
					frames <- f.Stream
				}
			}()
			synctest.Wait()
			_ = node.SetReadDeadline(time.Unix(1, 0))
			for id := range frames {
				ids = append(ids, id)
			}
			_ = node.SetReadDeadline(time.Time{})
			slices.Sort(ids) // those whose turn comes at once race to the wire
			return ids
		}
		ctx, cancel := context.WithCancel(t.Context())
		call(t.Context(), "a", 4000)
		call(t.Context(), "b", 4000)
		call(t.Context(), "c", 4000) // too many bytes
		call(ctx, "d", 0)            // not before c
		call(t.Context(), "e", 0)
		if ids := arrived(); !slices.Equal(ids, []uint64{1, 2}) {
			t.Error(ids)
		}
		cancel()
		if s := <-got; s != "d context canceled" {
			t.Error(s)
		}
		end := func(stream uint64) {
			_, _ = node.Write(AppendFrame(nil, Frame{Kind: KindReply, Stream: stream}))
			synctest.Wait()
		}
		end(1)
		if s := <-got; s != "a <nil>" {
			t.Error(s)
		}
		if ids := arrived(); !slices.Equal(ids, []uint64{3, 5}) {
			t.Error(ids)
		}
		for i, name := range map[uint64]string{2: "b", 3: "c", 5: "e"} {
			end(i)
			if s := <-got; s != name+" <nil>" {
				t.Error(s)
			}
		}
		// A request that is larger than all that may be in flight goes alone.
		call(t.Context(), "f", 20_000)
		if ids := arrived(); !slices.Equal(ids, []uint64{6}) {
			t.Error(ids)
		}
		call(t.Context(), "g", 0)
		c.Close()
		for range 2 {
			<-got
		}
		node.Close()
	})
}
