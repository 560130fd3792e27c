package rpc

import (
	"context"
	"sync"

	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// largestOther is the largest request that is no commit, in bytes.
const largestOther = 1 << 20

// largest returns the largest request of a method. Only commits, and reasons to give a claim
// back, are large.
func largest(method uint16) int {
	switch method {
	case message.MethodCommit, message.MethodReclaim:
		return 1<<31 - 1 // the server's limit
	}
	return largestOther
}

// answers bounds the records that are held for answers which clients have not read, in
// bytes. How large a block or a record is is known once it is loaded. So a few at a time
// are loaded while there is room, and those that are held may exceed the bound by that.
type answers struct {
	limit int64
	loads chan struct{} // of capacity maxLoads

	mu   sync.Mutex
	held int64
	room chan struct{} // closed when held falls; nil if nobody waits
}

// maxLoads is how many blocks or records are loaded at once.
const maxLoads = 4

func (a *answers) init(limit int64) {
	a.limit, a.loads = limit, make(chan struct{}, maxLoads)
}

// load calls fn when there is room, which returns how many bytes it has loaded. They are
// held until release.
func (a *answers) load(ctx context.Context, fn func() int) (release func(), err error) {
	select {
	case a.loads <- struct{}{}:
	default:
		select {
		case a.loads <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer func() { <-a.loads }()
	for {
		a.mu.Lock()
		if a.held < a.limit {
			break
		}
		if a.room == nil {
			a.room = make(chan struct{})
		}
		room := a.room
		a.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	a.mu.Unlock()
	n := int64(fn())
	a.mu.Lock()
	a.held += n
	a.mu.Unlock()
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.held -= n
		if a.room != nil {
			close(a.room)
			a.room = nil
		}
	}, nil
}

// sending counts what a stream or a call has loaded and not sent.
type sending struct {
	s       *service
	c       *transport.Call
	ctx     context.Context
	release func()
}

// next loads the next block of a stream, when the client has credit for it.
func (l *sending) next(fn func() (more bool, bytes int)) (more bool, err error) {
	l.sent()
	if err := l.c.Credit(l.ctx); err != nil {
		return false, err
	}
	l.release, err = l.s.answers.load(l.ctx, func() (n int) {
		more, n = fn()
		return n
	})
	return more, err
}

// sent lets go what was loaded last.
func (l *sending) sent() {
	if l.release != nil {
		l.release()
		l.release = nil
	}
}
