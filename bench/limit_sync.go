package main

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

func init() {
	register(system{name: "limit:fdatasync", durable: "pwrite and fdatasync on a preallocated file",
		open: func(c config) (store, error) { return openLimitSync(c, false) }})
	register(system{name: "limit:fdatasync-zeroed", durable: "the same on a file that was written before",
		open: func(c config) (store, error) { return openLimitSync(c, true) }})
	register(system{name: "limit:group", durable: "one pwrite and fdatasync for all who wait, on a file that was written before; the leader yields once before it collects",
		open: func(c config) (store, error) { return openLimitSync(c, true) }})
}

// limitSync makes each record durable, or those of many goroutines together.
type limitSync struct {
	f       *os.File
	at      int64
	buf     []byte
	records uint64

	mu      sync.Mutex
	waiting *limitGroup
	leading bool
}

// limitGroup are the records that one sync makes durable.
type limitGroup struct {
	buf  []byte
	err  error
	done chan struct{}
	lead chan struct{} // has room for the signal to its leader
}

func openLimitSync(c config, zeroed bool) (store, error) {
	f, err := preallocate(limitPath(c), c.limitSize(), zeroed)
	if err != nil {
		return nil, err
	}
	return &limitSync{f: f}, nil
}

func (s *limitSync) write(b []byte) error {
	if _, err := s.f.WriteAt(b, s.at); err != nil {
		return err
	}
	s.at += int64(len(b))
	return unix.Fdatasync(int(s.f.Fd()))
}

func (s *limitSync) Append(body []byte) error {
	s.buf = append(s.buf[:0], make([]byte, limitHeader+len(body))...)
	put(s.buf, body, s.records)
	s.records++
	return s.write(s.buf)
}

func (s *limitSync) Close() error { return s.f.Close() }

func (s *limitSync) Writer() appender { return limitShare{s} }

type limitShare struct{ s *limitSync }

func newLimitGroup() *limitGroup {
	return &limitGroup{done: make(chan struct{}), lead: make(chan struct{}, 1)}
}

// Append joins the waiting group. Its first member leads it once the previous
// group has handed over.
func (w limitShare) Append(body []byte) error {
	s := w.s
	s.mu.Lock()
	first := s.waiting == nil
	if first {
		s.waiting = newLimitGroup()
	}
	g := s.waiting
	n := len(g.buf)
	g.buf = append(g.buf, make([]byte, limitHeader+len(body))...)
	put(g.buf[n:], body, s.records)
	s.records++
	wait := first && s.leading
	if first {
		s.leading = true
	}
	s.mu.Unlock()
	switch {
	case !first:
		<-g.done
		return g.err
	case wait:
		<-g.lead
	}
	runtime.Gosched() // lets the goroutines just released join
	s.mu.Lock()
	s.waiting = nil
	s.mu.Unlock()
	g.err = s.write(g.buf)
	close(g.done)
	s.mu.Lock()
	if s.waiting != nil {
		s.waiting.lead <- struct{}{}
	} else {
		s.leading = false
	}
	s.mu.Unlock()
	return g.err
}
