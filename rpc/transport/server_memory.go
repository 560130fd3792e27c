package transport

import (
	"slices"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// ownShare is how many bytes of requests a connection may hold, RequestCost for each
// included, beside what the connections have together. So acknowledgements and the like
// wait for nobody's large requests.
const ownShare = 64 << 10

// slowest is how many bytes a second a request in several frames must make, on average
// over ReadTimeout: it keeps room for the largest one.
const slowest = 32 << 10

// memory bounds what the requests of all connections hold together, in bytes. Whoever
// asked first is served first. When there is no room, requests that have begun could wait
// for each other for ever: so one connection at a time may exceed the limit, by what
// ServerOptions.MaxBuffered lets it hold.
type memory struct {
	mu      sync.Mutex
	limit   int64
	used    int64
	queue   []*memoryWaiter
	favored *serverConn // may exceed the limit until it holds nothing
}

type memoryWaiter struct {
	c    *serverConn
	n    int64
	done chan struct{}
}

// take waits for n bytes until the connection has ended, and reports whether it has them.
func (m *memory) take(c *serverConn, n int64) bool {
	m.mu.Lock()
	if m.favored == c || len(m.queue) == 0 && m.used+n <= m.limit {
		m.used += n
		c.taken += n
		m.mu.Unlock()
		return true
	}
	w := &memoryWaiter{c, n, make(chan struct{})}
	m.queue = append(m.queue, w)
	m.serve()
	m.mu.Unlock()
	select {
	case <-w.done:
		return true
	default:
	}
	c.uncork()
	c.stuck.start() // nothing reads the connection meanwhile
	defer c.stuck.stop()
	select {
	case <-w.done:
		return true
	case <-c.peer.gone:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.queue, w)
	if i < 0 {
		return true
	}
	m.queue = slices.Delete(m.queue, i, i+1)
	m.serve()
	return false
}

func (m *memory) give(c *serverConn, n int64) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
	c.taken -= n
	if m.favored == c && c.taken == 0 {
		m.favored = nil
	}
	m.serve()
}

// serve lets those go on who may. mu is held.
func (m *memory) serve() {
	for len(m.queue) > 0 {
		w := m.queue[0]
		if m.used+w.n > m.limit {
			if m.favored == nil {
				m.favored = w.c
			}
			if m.favored != w.c {
				return
			}
		}
		m.used += w.n
		w.c.taken += w.n
		close(w.done)
		m.queue = slices.Delete(m.queue, 0, 1)
	}
}

// claim gets memory for a frame of a request, with n bytes.
func (c *serverConn) claim(call *Call, n int, first, more bool) error {
	need := int64(n)
	if first {
		need += RequestCost
	}
	if first && !more {
		c.mu.Lock()
		if c.share+need <= ownShare {
			c.share += need
			call.share = need
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
	}
	if !c.s.memory.take(c, need) {
		return c.cause()
	}
	call.taken += need
	return nil
}

// awaitRest ends the connection if a request in several frames does not go on, whatever
// else comes: later calls may have to wait for it, and its memory is kept.
func (c *serverConn) awaitRest(call *Call) {
	if call.late != nil {
		return
	}
	silence := c.s.opts.ReadTimeout
	last := int64(0)
	call.late = time.AfterFunc(silence, func() {
		now := call.received.Load()
		if now-last < int64(slowest*silence/time.Second) {
			c.fail(errSlow)
			return
		}
		last = now
		call.late.Reset(silence)
	})
}

var errSlow = errs.Overloaded.With("a request comes too slowly; the node takes 32 KiB a second and more")
