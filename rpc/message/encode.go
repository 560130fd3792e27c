package message

import (
	"encoding/binary"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// malformed is the error for a message that violates the protocol.
func malformed(what string) error {
	return fmt.Errorf("malformed %s: %w", what, enc.ErrMalformed)
}

// MaxKey is the largest size of a key in a message, in bytes.
const MaxKey = 2*binary.MaxVarintLen64 + 1

// A key stands at the beginning of its message, and is known only when the message is
// sent. So there is room for it.

// KeyRoom returns the beginning of a message whose key PutKey puts there later. The
// message is appended to it, with the zero key.
func KeyRoom() []byte { return make([]byte, MaxKey-zeroKey, 128) }

// zeroKey is the size of the zero key.
const zeroKey = 3

// PutKey puts a key into the room, and returns the message, which lies in b.
func PutKey(b []byte, k once.Key) []byte {
	var room [MaxKey]byte
	key := appendKey(room[:0], k)
	b = b[MaxKey-len(key):]
	copy(b, key)
	return b
}

func appendKey(dst []byte, k once.Key) []byte {
	dst = binary.AppendUvarint(dst, k.Seq)
	dst = binary.AppendUvarint(dst, k.Floor)
	if k.Again {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func takeKey(d *enc.Reader) (k once.Key) {
	k.Seq, k.Floor = d.Uvarint(), d.Uvarint()
	k.Again = d.Byte() != 0
	return k
}

func appendToken(dst []byte, t procstate.Token) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, t.Epoch), t.Serial)
}

func takeToken(d *enc.Reader) procstate.Token {
	return procstate.Token{Epoch: d.Uvarint(), Serial: d.Uvarint()}
}

func appendID(dst []byte, id record.ID) []byte {
	return binary.AppendUvarint(binary.AppendVarint(dst, id.Millis), id.Seq)
}

func takeID(d *enc.Reader) record.ID { return record.ID{Millis: d.Varint(), Seq: d.Uvarint()} }

// A range is: count | if not 0: first id | last id. An id is: time (varint) |
// sequence.

func appendRange(dst []byte, r record.Range) []byte {
	dst = binary.AppendUvarint(dst, r.Count)
	if r.Count == 0 {
		return dst
	}
	return appendID(appendID(dst, r.First), r.Last)
}

func takeRange(d *enc.Reader) (r record.Range) {
	if r.Count = d.Uvarint(); r.Count > 0 {
		r.First, r.Last = takeID(d), takeID(d)
	}
	return r
}

// takeRecord returns a record that aliases d.
func takeRecord(d *enc.Reader, topic string) record.Record {
	r := record.Record{ID: takeID(d), Topic: topic}
	if k := d.Bytes(); len(k) > 0 {
		r.Key = k
	}
	r.Headers = headersOf(d.Bytes())
	r.Body = d.Bytes()
	return r
}

func headersOf(section []byte) (hs []record.Header) {
	for name, value := range segment.EachHeader(section) {
		hs = append(hs, record.Header{Name: name, Value: value})
	}
	return hs
}
