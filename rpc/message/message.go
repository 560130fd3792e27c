package pipeproc

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/segment"
)

// Methods of the protocol between a node and its clients, on top of the frames
// of package rpc. Integers are uvarints unless said otherwise; text, names and
// bytes have their length in front. DESIGN.md, "Protocol", has the whole of it.
const (
	methodSession      = 1  // stream, no items: open as long as the client is there
	methodCommit       = 2  // key | durability byte | ack | batch → position | ack'd range | ids
	methodAck          = 3  // key | proc | token → range
	methodReclaim      = 4  // key | proc | token | reason → range
	methodRelease      = 5  // key | proc | token → nothing
	methodClaim        = 6  // key | proc | count (varint) | topic, or nothing → claim
	methodRange        = 7  // stream: range → span, then blocks, records, errors
	methodGet          = 8  // topic | sequence → record
	methodLength       = 9  // topic → number of records
	methodSync         = 10 // nothing → nothing
	methodWaitFor      = 11 // topic | sequence → nothing, once it is there
	methodWaitForProcs = 12 // count | name… → nothing, once they are done
	methodWaitForWork  = 13 // proc → nothing, once it can claim
	methodWatch        = 14 // stream: proc | topic → an empty item when it may have become claimable
	methodAdmin        = 15 // key | name of the call | arguments as JSON → results as JSON
)

// A key is: sequence of the command, 0 for none | floor | again byte. See once.

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

func appendToken(dst []byte, t Token) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, t.Epoch), t.Serial)
}

func takeToken(d *enc.Reader) Token { return Token{Epoch: d.Uvarint(), Serial: d.Uvarint()} }

func appendID(dst []byte, id ID) []byte {
	return binary.AppendUvarint(binary.AppendVarint(dst, id.Millis), id.Seq)
}

func takeID(d *enc.Reader) ID { return ID{Millis: d.Varint(), Seq: d.Uvarint()} }

// A range is: count | if not 0: first id | last id. An id is: time (varint) |
// sequence.

func appendRange(dst []byte, r IDRange) []byte {
	dst = binary.AppendUvarint(dst, r.Count)
	if r.Count == 0 {
		return dst
	}
	return appendID(appendID(dst, r.First), r.Last)
}

func takeRange(d *enc.Reader) (r IDRange) {
	if r.Count = d.Uvarint(); r.Count > 0 {
		r.First, r.Last = takeID(d), takeID(d)
	}
	return r
}

// A record is: id | key | headers section | body.

func appendWireRecord(dst []byte, r *Record, headers []byte) []byte {
	dst = appendID(dst, r.ID)
	dst = enc.AppendBytes(dst, r.Key)
	dst = enc.AppendBytes(dst, headers)
	return enc.AppendBytes(dst, r.Body)
}

// takeRecord returns a record that aliases d.
func takeRecord(d *enc.Reader, topic string) Record {
	r := Record{ID: takeID(d), Topic: topic}
	if k := d.Bytes(); len(k) > 0 {
		r.Key = k
	}
	r.Headers = headersOf(d.Bytes())
	r.Body = d.Bytes()
	return r
}

func headersOf(section []byte) (hs []Header) {
	for name, value := range segment.EachHeader(section) {
		hs = append(hs, Header{Name: name, Value: value})
	}
	return hs
}

// Items of a range: a kind byte, and
//
//	span:    first sequence | sequence behind the last
//	block:   a block, topics/wire.go, of which records outside of the span do not count
//	records: count | record…
//	error:   code | text | details; the range goes on behind it
const (
	itemSpan    = 0
	itemBlock   = 1
	itemRecords = 2
	itemError   = 3
)

// A range is asked for with: topic | flags byte | start | end | limit (varint).
// With the flag for a span, start and end are not text but sequences.
const (
	rangeExclusive = 1
	rangeReverse   = 2
	rangeFollow    = 4 // from the sequence start on, for ever
	rangeSpan      = 8
	rangePlain     = 16 // no block is compressed
)

// A claim is: token | attempt | timeout in milliseconds (varint) | skipped |
// topic | range | record…

func appendClaimHead(dst []byte, t Token, attempt int, timeout time.Duration, skipped uint64, topic string, r IDRange) []byte {
	dst = appendToken(dst, t)
	dst = binary.AppendUvarint(dst, uint64(attempt))
	dst = binary.AppendVarint(dst, int64(timeout/time.Millisecond))
	dst = binary.AppendUvarint(dst, skipped)
	dst = enc.AppendString(dst, topic)
	return appendRange(dst, r)
}

func takeClaim(p []byte, proc string) (Claim, error) {
	d := enc.Reader{B: p}
	c := Claim{Proc: proc, Token: takeToken(&d), Attempt: int(d.Uvarint()), Timeout: time.Duration(d.Varint()) * time.Millisecond, Skipped: d.Uvarint()}
	c.Topic = string(d.Bytes())
	c.Range = takeRange(&d)
	for d.Err == nil && len(d.B) > 0 {
		c.Records = append(c.Records, takeRecord(&d, c.Topic))
	}
	return c, d.Err
}

// wireError is the details of an error, as JSON.
type wireError struct {
	Conflict *ConflictError   `json:"conflict,omitempty"`
	Pruned   *PrunedError     `json:"pruned,omitempty"`
	Corrupt  *wireCorruptness `json:"corrupt,omitempty"`
}

type wireCorruptness struct {
	File, Topic, What string
	Segment           uint64
	Offset            int64
	First, Next       uint64
}

// encodeError takes an error apart for the way to a client.
func encodeError(err error) (code, text string, details []byte) {
	var w wireError
	if c, ok := errors.AsType[*ConflictError](err); ok {
		w.Conflict = c
	} else if p, ok := errors.AsType[*PrunedError](err); ok {
		w.Pruned = p
	} else if c, ok := errors.AsType[*CorruptError](err); ok && errs.Code(err) == "corrupt" {
		w.Corrupt = &wireCorruptness{File: c.File, Topic: c.Topic, What: c.What, Segment: c.Segment, Offset: c.Offset, First: c.First, Next: c.Next}
	}
	if w != (wireError{}) {
		details, _ = json.Marshal(w)
	}
	code = Code(err)
	if code == "" && errors.Is(err, ErrInUse) {
		code = codeInUse
	}
	return code, err.Error(), details
}

// codeInUse is the code of ErrInUse.
const codeInUse = "in_use"

// decodeError puts an error together again.
func decodeError(code, text string, details []byte) error {
	var w wireError
	if len(details) > 0 && json.Unmarshal(details, &w) == nil {
		switch {
		case w.Conflict != nil:
			return w.Conflict
		case w.Pruned != nil:
			return w.Pruned
		case w.Corrupt != nil:
			c := w.Corrupt
			return &CorruptError{File: c.File, Topic: c.Topic, What: c.What, Segment: c.Segment, Offset: c.Offset, First: c.First, Next: c.Next}
		}
	}
	if code == "" {
		return errors.New(text)
	}
	if code == codeInUse {
		return fmt.Errorf("%w: %s", ErrInUse, text)
	}
	return &errs.Error{Code: code, Detail: strings.TrimPrefix(strings.TrimPrefix(text, code), ": ")}
}

// malformed is the error for a message that is not what the protocol says.
func malformed(what string) error {
	return fmt.Errorf("malformed %s: %w", what, enc.ErrMalformed)
}
