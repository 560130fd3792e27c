package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestLine has turns pass and end in random order: each is granted when all before it
// have passed, or ended, and not before.
func TestLine(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			const n = 12
			var l line
			passed, ended := [n + 1]bool{}, [n + 1]bool{}
			granted, alone := [n + 1]bool{}, [n + 1]bool{}
			for i := 1; i <= n; i++ {
				turn := l.take()
				if rnd.IntN(3) == 0 {
					go func() { alone[turn] = l.waitEnded(t.Context(), turn) == nil }()
				} else {
					go func() { granted[turn] = l.wait(t.Context(), turn) == nil }()
				}
			}
			all := func(done [n + 1]bool, below int) bool {
				for i := 1; i < below; i++ {
					if !done[i] {
						return false
					}
				}
				return true
			}
			for _, i := range rnd.Perm(2 * n) {
				turn := i%n + 1
				if i < n {
					l.reach(uint64(turn), hasPassed)
				} else {
					l.reach(uint64(turn), hasPassed|hasEnded)
					ended[turn] = true
				}
				passed[turn] = true
				synctest.Wait()
				for k := 1; k <= n; k++ {
					if granted[k] && !all(passed, k) || alone[k] && !all(ended, k) {
						t.Fatalf("turn %d was granted: passed %v, ended %v", k, passed, ended)
					}
				}
				if got := l.clear(uint64(n + 1)); got != all(ended, n+1) {
					t.Fatalf("clear says %v: ended %v", got, ended)
				}
			}
			for k := 1; k <= n; k++ {
				if !granted[k] && !alone[k] {
					t.Errorf("turn %d was never granted", k)
				}
			}
			if len(l.early)+len(l.next)+len(l.after) > 0 {
				t.Errorf("left: %v, %v, %v", l.early, l.next, l.after)
			}
		})
	}
}

// TestLineTakeBack: a turn that has passed can be taken back until another one is granted.
func TestLineTakeBack(t *testing.T) {
	var l line
	for range 3 {
		l.take()
	}
	l.reach(1, hasPassed)
	if !l.back(1) || l.passed != 0 {
		t.Error("it was not taken back")
	}
	if l.back(2) {
		t.Error("one that has not passed was taken back")
	}
	l.reach(1, hasPassed)
	if err := l.wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if l.back(1) {
		t.Error("it was taken back, and the next one was on its way")
	}
	l.reach(2, hasPassed)
	if l.back(1) {
		t.Error("it was taken back, and another one had passed")
	}
	why := errors.New("over")
	l.close(why)
	if err := l.wait(context.Background(), 3); err != why {
		t.Error("a turn was granted after the end:", err)
	}
}

// TestSlowRequest: a request in whose midst nothing more comes, or next to nothing, ends its
// connection, whatever else arrives on that. One over a slow line is taken.
func TestSlowRequest(t *testing.T) {
	run := func(t *testing.T, size int, every time.Duration) (ended bool) {
		bubble(t, ServerOptions{Ordered: func(uint16) bool { return true }, MaxInFlight: 1 << 20}, func(t *testing.T, f *fixture, l *pipeListener) {
			p := rawOn(t, l.dial())
			const frames = 30
			for i := range frames {
				if p.trySend(Frame{Kind: KindRequest, Method: mNothing, Stream: 1, More: i < frames-1, Payload: make([]byte, size)}, Frame{Kind: KindPing, Stream: uint64(1000 + i)}) != nil {
					ended = true
					break
				}
				time.Sleep(every)
			}
			p.nc.Close()
		})
		return ended
	}
	for name, tc := range map[string]struct {
		size  int
		every time.Duration
		ended bool
	}{
		"a slow line":     {400 << 10, 7 * time.Second, false},
		"silence":         {400 << 10, 61 * time.Second, true},
		"next to nothing": {1000, time.Second, false}, // in all it takes 30 s
		"a trickle":       {10 << 10, 9 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, tc.size, tc.every); got != tc.ended {
				t.Errorf("ended: %v", got)
			}
		})
	}
	// Of two requests one does not go on; what else comes does not hide that.
	bubble(t, ServerOptions{Ordered: func(uint16) bool { return true }}, func(t *testing.T, f *fixture, l *pipeListener) {
		p := rawOn(t, l.dial())
		p.send(Frame{Kind: KindRequest, Method: mEcho, Stream: 1, More: true, Payload: make([]byte, 1000)})
		for i := range 10 {
			time.Sleep(10 * time.Second)
			if err := p.trySend(Frame{Kind: KindPing, Stream: uint64(1000 + i)}); err != nil {
				if i > 4 {
					t.Errorf("it ended after %d pings", i)
				}
				p.nc.Close()
				return
			}
		}
		t.Error("it has not ended")
	})
}

// rawOn returns a peer on nc that has been welcomed and reads what comes.
func rawOn(t *testing.T, nc net.Conn) *rawPeer {
	t.Helper()
	p := &rawPeer{t, nc, NewFrameReader(nc)}
	p.send(Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
	go func() {
		for {
			if _, err := p.r.Next(); err != nil {
				return
			}
		}
	}()
	return p
}

// trySend sends frames, and returns an error if the connection has ended.
func (p *rawPeer) trySend(frames ...Frame) error {
	var b []byte
	for _, f := range frames {
		b = AppendFrame(b, f)
	}
	_, err := p.nc.Write(b)
	return err
}
