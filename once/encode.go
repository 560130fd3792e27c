package once

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/pipeproc/pipeproc/internal/enc"
)

// OpReply is the code, within a command, of the operation that remembers its
// reply; secClient is the kind of a snapshot's section for one client. Their
// payloads, of uvarints unless said otherwise:
//
//	reply:  client (16 bytes) | seq | floor | reply
//	client: client (16 bytes) | floor | last seen (varint) | count | { seq | reply }…
//
// Sections stand in the order in which the clients were last seen.
const OpReply = 32

// Append appends the operation's payload.
func (op *Op) Append(dst []byte) []byte {
	dst = append(dst, op.Client[:]...)
	dst = binary.AppendUvarint(dst, op.Seq)
	dst = binary.AppendUvarint(dst, op.Floor)
	return enc.AppendBytes(dst, op.Reply)
}

// Decode takes an operation over, as replay does, for a command at time ms.
func (m *Machine) Decode(payload []byte, ms int64) error {
	op, err := Parse(payload)
	if err != nil {
		return err
	}
	m.Apply(&op, ms)
	return nil
}

// Parse is the inverse of Append. What it returns without an error could have been
// staged.
func Parse(payload []byte) (op Op, err error) {
	d := enc.Reader{B: payload}
	op.Client = takeClient(&d)
	op.Seq, op.Floor, op.Reply = d.Uvarint(), d.Uvarint(), d.Bytes()
	if d.Err != nil || len(d.B) != 0 || op.Check() != nil {
		return Op{}, enc.ErrMalformed
	}
	return op, nil
}

func takeClient(d *enc.Reader) (c Client) {
	if len(d.B) < len(c) {
		d.B, d.Err = nil, enc.ErrMalformed
		return c
	}
	copy(c[:], d.B)
	d.B = d.B[len(c):]
	return c
}

// Captured is a client at the position of a checkpoint.
type Captured struct {
	id      Client
	floor   uint64
	seen    int64
	replies []*reply // in any order until Append
}

type reply struct {
	seq  uint64
	body []byte
}

// Capture records the applied state, in order. The caller keeps the leader from
// changing it meanwhile.
func (m *Machine) Capture() []Captured {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Captured, 0, m.order.Len())
	for e := m.order.Front(); e != nil; e = e.Next() {
		c := e.Value.(*client)
		replies := make([]*reply, 0, len(c.replies))
		for seq, body := range c.replies {
			replies = append(replies, &reply{seq, body})
		}
		out = append(out, Captured{c.id, c.floor, c.seen, replies})
	}
	return out
}

// Append appends the payload of a client's section.
func (c *Captured) Append(dst []byte) []byte {
	dst = append(dst, c.id[:]...)
	dst = enc.AppendUvarints(dst, c.floor)
	dst = enc.AppendVarints(dst, c.seen)
	dst = enc.AppendUvarints(dst, uint64(len(c.replies)))
	slices.SortFunc(c.replies, func(a, b *reply) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range c.replies {
		dst = enc.AppendUvarints(dst, r.seq)
		dst = enc.AppendBytes(dst, r.body)
	}
	return dst
}

// Restore takes over a client's section.
func (m *Machine) Restore(b []byte) error {
	d := enc.Reader{B: b}
	c := &client{id: takeClient(&d), floor: d.Uvarint(), seen: d.Varint(), replies: map[uint64][]byte{}}
	for range d.Count(2) {
		seq, reply := d.Uvarint(), d.Bytes()
		if seq < c.floor || c.replies[seq] != nil {
			return enc.ErrMalformed
		}
		c.replies[seq] = slices.Clone(append([]byte{}, reply...))
		c.bytes += len(reply)
	}
	if d.Err != nil || len(d.B) != 0 || c.floor == 0 || m.clients[c.id] != nil {
		return enc.ErrMalformed
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clients[c.id] = c
	c.place = m.order.PushBack(c)
	return nil
}
