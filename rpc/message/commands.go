package message

import (
	"encoding/binary"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
)

// Methods.
const (
	MethodSession      = 1 // stream
	MethodCommit       = 2
	MethodAck          = 3
	MethodReclaim      = 4
	MethodRelease      = 5
	MethodClaim        = 6
	MethodRange        = 7 // stream
	MethodGet          = 8
	MethodLength       = 9
	MethodSync         = 10
	MethodWaitFor      = 11
	MethodWaitForProcs = 12
	MethodWaitForWork  = 13
	MethodWatch        = 14 // stream
	MethodJSON         = 15
)

// Commit is the head of a commit. The batch follows it.
type Commit struct {
	Key        once.Key
	Durability byte
	Ack        bool // acknowledge the claim of Proc with Token as well
	Proc       string
	Token      procstate.Token
}

// Append appends the encoding.
func (m *Commit) Append(dst []byte) []byte {
	dst = append(appendKey(dst, m.Key), m.Durability)
	if !m.Ack {
		return append(dst, 0)
	}
	return appendToken(enc.AppendString(append(dst, 1), m.Proc), m.Token)
}

// Take decodes p and returns the batch that follows.
func (m *Commit) Take(p []byte) (batch []byte, err error) {
	d := enc.Reader{B: p}
	m.Key, m.Durability = takeKey(&d), d.Byte()
	ack := d.Byte()
	if m.Ack = ack == 1; m.Ack {
		m.Proc, m.Token = string(d.Bytes()), takeToken(&d)
	}
	if d.Err != nil || ack > 1 {
		return nil, malformed("commit")
	}
	return d.B, nil
}

// Committed is the head of the answer to a Commit. The ids follow it
// (topics/wire.go).
type Committed struct {
	Position uint64
	Acked    record.Range
}

// Append appends the encoding.
func (m *Committed) Append(dst []byte) []byte {
	return appendRange(binary.AppendUvarint(dst, m.Position), m.Acked)
}

// Take decodes p and returns the ids that follow.
func (m *Committed) Take(p []byte) (ids []byte, err error) {
	d := enc.Reader{B: p}
	m.Position, m.Acked = d.Uvarint(), takeRange(&d)
	if d.Err != nil {
		return nil, malformed("answer to a commit")
	}
	return d.B, nil
}

// OfClaim acknowledges, gives back (with Reason) or releases a claim.
type OfClaim struct {
	Key    once.Key
	Proc   string
	Token  procstate.Token
	Reason string // MethodReclaim only
}

// Append appends the encoding for a method.
func (m *OfClaim) Append(dst []byte, method uint16) []byte {
	dst = appendToken(enc.AppendString(appendKey(dst, m.Key), m.Proc), m.Token)
	if method == MethodReclaim {
		dst = enc.AppendString(dst, m.Reason)
	}
	return dst
}

// Take decodes p.
func (m *OfClaim) Take(p []byte, method uint16) error {
	d := enc.Reader{B: p}
	m.Key, m.Proc, m.Token = takeKey(&d), string(d.Bytes()), takeToken(&d)
	if method == MethodReclaim {
		m.Reason = string(d.Bytes())
	}
	if d.Err != nil {
		return malformed("acknowledgement")
	}
	return nil
}

// AppendRange appends an answer that is a range.
func AppendRange(dst []byte, r record.Range) []byte { return appendRange(dst, r) }

// TakeRange decodes an answer that is a range.
func TakeRange(p []byte) (record.Range, error) {
	d := enc.Reader{B: p}
	r := takeRange(&d)
	return r, d.Err
}

// Claim asks for records of a proc.
type Claim struct {
	Key   once.Key
	Proc  string
	Count int    // negative: all there are
	Topic string // that the proc must read; "": any
}

// Append appends the encoding.
func (m *Claim) Append(dst []byte) []byte {
	dst = binary.AppendVarint(enc.AppendString(appendKey(dst, m.Key), m.Proc), int64(m.Count))
	if m.Topic != "" {
		dst = enc.AppendString(dst, m.Topic)
	}
	return dst
}

// Take decodes p.
func (m *Claim) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Key, m.Proc = takeKey(&d), string(d.Bytes())
	count := d.Varint()
	if m.Count = int(count); len(d.B) > 0 {
		m.Topic = string(d.Bytes())
	}
	if d.Err != nil || int64(m.Count) != count {
		return malformed("claim")
	}
	return nil
}

// Claimed is the result of a Claim.
type Claimed struct {
	Token   procstate.Token
	Attempt int
	Timeout time.Duration // whole milliseconds; negative: never
	Skipped uint64
	Topic   string
	Range   record.Range
	Records []record.Record
}

// Append appends the encoding.
func (m *Claimed) Append(dst []byte) []byte {
	dst = appendToken(dst, m.Token)
	dst = binary.AppendUvarint(dst, uint64(m.Attempt))
	dst = binary.AppendVarint(dst, int64(m.Timeout/time.Millisecond))
	dst = binary.AppendUvarint(dst, m.Skipped)
	dst = enc.AppendString(dst, m.Topic)
	dst = appendRange(dst, m.Range)
	for i := range m.Records {
		dst = AppendRecord(dst, &m.Records[i])
	}
	return dst
}

// Take decodes p. The records alias it.
func (m *Claimed) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Token, m.Attempt = takeToken(&d), int(d.Uvarint())
	m.Timeout, m.Skipped = time.Duration(d.Varint())*time.Millisecond, d.Uvarint()
	m.Topic = string(d.Bytes())
	m.Range = takeRange(&d)
	for d.Err == nil && len(d.B) > 0 {
		m.Records = append(m.Records, takeRecord(&d, m.Topic))
	}
	return d.Err
}

// Get asks for the record of a sequence. WaitFor, with the same fields, waits for
// it.
type Get struct {
	Topic string
	Seq   uint64
}

// Append appends the encoding.
func (m *Get) Append(dst []byte) []byte {
	return binary.AppendUvarint(enc.AppendString(dst, m.Topic), m.Seq)
}

// Take decodes p.
func (m *Get) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Topic, m.Seq = string(d.Bytes()), d.Uvarint()
	if d.Err != nil {
		return malformed("request for a record")
	}
	return nil
}

// Name is a request with one name: a topic for MethodLength, a proc for
// MethodWaitForWork.
type Name string

// Append appends the encoding.
func (m Name) Append(dst []byte) []byte { return enc.AppendString(dst, string(m)) }

// Take decodes p.
func (m *Name) Take(p []byte) error {
	d := enc.Reader{B: p}
	*m = Name(d.Bytes())
	if d.Err != nil {
		return malformed("name")
	}
	return nil
}

// Names is the request of MethodWaitForProcs.
type Names []string

// maxNames is the largest number of names in a message.
const maxNames = 1 << 16

// Append appends the encoding.
func (m Names) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	for _, n := range m {
		dst = enc.AppendString(dst, n)
	}
	return dst
}

// Take decodes p.
func (m *Names) Take(p []byte) error {
	d := enc.Reader{B: p}
	list := make([]string, min(d.Count(1), maxNames+1))
	for i := range list {
		list[i] = string(d.Bytes())
	}
	if d.Err != nil || len(list) > maxNames {
		return malformed("list of names")
	}
	*m = list
	return nil
}

// Watch asks to be told when a proc may have become claimable.
type Watch struct{ Proc, Topic string }

// Append appends the encoding.
func (m *Watch) Append(dst []byte) []byte {
	return enc.AppendString(enc.AppendString(dst, m.Proc), m.Topic)
}

// Take decodes p.
func (m *Watch) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Proc, m.Topic = string(d.Bytes()), string(d.Bytes())
	if d.Err != nil {
		return malformed("watch")
	}
	return nil
}

// AppendNumber appends an answer that is a number.
func AppendNumber(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// TakeNumber decodes an answer that is a number.
func TakeNumber(p []byte) (uint64, error) {
	d := enc.Reader{B: p}
	n := d.Uvarint()
	return n, d.Err
}

// Durability returns the durability byte of an encoded Commit, 0 if it is not one.
func Durability(commit []byte) byte {
	d := enc.Reader{B: commit}
	takeKey(&d)
	return d.Byte()
}
