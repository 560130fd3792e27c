package once

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
)

// Limits. They decide what replay remembers, and are part of the format.
const (
	maxReplies = 4096           // of one client
	maxBytes   = 1 << 20        // of the replies of one client, except the newest
	maxClients = 16384          // in all
	keepAlways = 1024           // clients that are not dropped because of their age
	maxSilence = 60 * 60 * 1000 // milliseconds
)

// Errors of Stage.
var (
	// ErrRepeated: the command was applied, or is about to be; Lookup has the
	// reply once it is visible.
	ErrRepeated = errors.New("the command was sent before")
	// ErrForgotten: whether the command was applied is no longer known.
	ErrForgotten = errors.New("it is not known any more whether the command was done")
	// ErrKey: there is no such key. Nothing was staged.
	ErrKey = errs.InvalidOptions.With("the key of the command cannot be")
)

// Client names a client. It chooses its name at random.
type Client [16]byte

// Key names a command of a client.
type Key struct {
	Client Client
	Seq    uint64 // from 1
	Floor  uint64 // the client has all replies below it
	Again  bool   // it was sent before
}

// Check returns an error that wraps ErrKey if no client may send k.
func (k *Key) Check() error {
	switch {
	case k.Seq == 0 || k.Seq == math.MaxUint64:
		return fmt.Errorf("%w: %d is no number of a command; they count from 1", ErrKey, k.Seq)
	case k.Floor > k.Seq:
		return fmt.Errorf("%w: command %d says that all below %d have their answers", ErrKey, k.Seq, k.Floor)
	}
	return nil
}

// Op is a command's key and reply, on their way.
type Op struct {
	Key
	Reply []byte // set between Stage and Append
}

type inflight struct {
	client Client
	seq    uint64
}

type applied struct {
	op Op
	ms int64
}

// client is the state of a client.
type client struct {
	id      Client
	floor   uint64
	seen    int64 // time of its latest command, unix milliseconds
	replies map[uint64][]byte
	bytes   int
	place   *list.Element
}

// Machine remembers replies. One goroutine at a time, the commit leader, stages
// and applies; any goroutine may look up.
type Machine struct {
	mu      sync.Mutex
	clients map[Client]*client
	order   *list.List // of *client, the one that was silent for longest in front

	// Leader only.
	staged  map[inflight]struct{}
	pending []applied // not visible yet
}

// New returns a machine without clients.
func New() *Machine {
	return &Machine{clients: map[Client]*client{}, order: list.New(), staged: map[inflight]struct{}{}}
}

// Lookup returns the reply of a command that was applied and is visible.
func (m *Machine) Lookup(k Key) (reply []byte, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.clients[k.Client]; c != nil {
		reply, ok = c.replies[k.Seq]
	}
	return reply, ok
}

// Len returns the number of clients that are known.
func (m *Machine) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.clients)
}

// Stage decides whether a command is a new one. Leader only.
func (m *Machine) Stage(op *Op) error {
	if err := op.Check(); err != nil && !mutate.SkipKeyCheck {
		return err
	}
	at := inflight{op.Client, op.Seq}
	if mutate.SkipOnce {
		m.staged[at] = struct{}{}
		return nil
	}
	if _, ok := m.staged[at]; ok {
		return ErrRepeated
	}
	m.mu.Lock()
	c := m.clients[op.Client]
	m.mu.Unlock()
	switch {
	case c == nil && op.Again && op.Floor > 1:
		return ErrForgotten
	case c == nil:
	case op.Seq < c.floor:
		return ErrForgotten
	default:
		if _, ok := c.replies[op.Seq]; ok {
			return ErrRepeated
		}
	}
	m.staged[at] = struct{}{}
	return nil
}

// Undo takes back a staged key.
func (m *Machine) Undo(op *Op) { delete(m.staged, inflight{op.Client, op.Seq}) }

// Apply takes over the reply of a command at time ms.
func (m *Machine) Apply(op *Op, ms int64) {
	k := *op
	k.Reply = bytes.Clone(op.Reply)
	m.pending = append(m.pending, applied{k, ms})
}

// Publish makes the replies of everything applied visible.
func (m *Machine) Publish() {
	if len(m.pending) == 0 {
		return
	}
	m.mu.Lock()
	for i := range m.pending {
		p := &m.pending[i]
		m.apply(&p.op, p.ms)
		m.Undo(&p.op)
	}
	m.mu.Unlock()
	clear(m.pending)
	m.pending = m.pending[:0]
}

func (m *Machine) apply(op *Op, ms int64) {
	c := m.clients[op.Client]
	if c == nil {
		c = &client{id: op.Client, replies: map[uint64][]byte{}, floor: 1}
		m.clients[op.Client] = c
		c.place = m.order.PushBack(c)
	}
	m.order.MoveToBack(c.place)
	c.seen = ms
	c.raise(op.Floor)
	if op.Seq >= c.floor {
		c.replies[op.Seq] = op.Reply
		c.bytes += len(op.Reply)
	}
	for len(c.replies) > maxReplies || c.bytes > maxBytes && len(c.replies) > 1 {
		lowest := uint64(math.MaxUint64)
		for seq := range c.replies {
			lowest = min(lowest, seq)
		}
		c.raise(lowest + 1)
	}
	for m.order.Len() > maxClients || m.order.Len() > keepAlways && m.oldest().seen < ms-maxSilence {
		m.drop(m.oldest())
	}
}

func (m *Machine) oldest() *client { return m.order.Front().Value.(*client) }

func (m *Machine) drop(c *client) {
	m.order.Remove(c.place)
	delete(m.clients, c.id)
}

// raise forgets replies below floor.
func (c *client) raise(floor uint64) {
	if floor <= c.floor {
		return
	}
	if floor-c.floor > uint64(len(c.replies)) {
		maps.DeleteFunc(c.replies, func(seq uint64, r []byte) bool {
			if seq < floor {
				c.bytes -= len(r)
			}
			return seq < floor
		})
	} else {
		for seq := c.floor; seq < floor; seq++ {
			c.bytes -= len(c.replies[seq])
			delete(c.replies, seq)
		}
	}
	c.floor = floor
}
