package procstate

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Operations of a command, and sections of a snapshot, have these payloads.
// Integers are uvarints unless said otherwise; text and lists are preceded by
// their length; times and durations are varints in milliseconds.
//
//	proc:        id | definition | state
//	proc state:  id | state
//	proc gone:   id
//	system:      name | processor | from… | to… | many byte | count | lanes |
//	             created time | options | if there is a command: command… | source
//	system gone: name
//	definition:  name | topic | created time | owner | system | options
//	options:     offset | max reclaims (varint) | reclaim timeout | strategy byte |
//	             dead-letter topic | backoff | longest backoff
//	state:       next | floor id | flags byte (1 disabled) | open claims… |
//	             acknowledged ranges above next… (none at present) |
//	             last claimed | previous claimed | last acknowledged |
//	             last claimed at | last acknowledged at | reclaims | retry at | skipped
//	claim:       token epoch | token serial | range | time
//	range:       count | if not 0: first id | last id
//	id:          time (varint) | sequence
//
// Claims and acknowledged ranges above Next are lists from the first version
// on, because a proc with several claims will need both; a version that cannot
// handle them refuses them.

// Codes of operations within a command. They are part of the format.
const (
	OpProc       = 16
	OpState      = 17
	OpGone       = 18
	OpSystem     = 19
	OpSystemGone = 20
)

const millisecond = int64(time.Millisecond)

// Encode appends the operations of a staged proposal, in order. open appends
// the start of one, with its code; shut completes it, given the result of open.
func (op *Op) Encode(dst []byte, open func(dst []byte, code byte) ([]byte, int), shut func(dst []byte, mark int)) []byte {
	var mark int
	for i := range op.procs {
		k := &op.procs[i]
		switch {
		case k.after == nil:
			dst, mark = open(dst, OpGone)
			dst = binary.AppendUvarint(dst, k.p.id)
		case k.before == nil || k.before.Def != k.after.Def:
			dst, mark = open(dst, OpProc)
			dst = appendProc(dst, k.after)
		default:
			dst, mark = open(dst, OpState)
			dst = appendState(binary.AppendUvarint(dst, k.p.id), k.after)
		}
		shut(dst, mark)
	}
	for _, k := range op.cells {
		if k.after == nil {
			dst, mark = open(dst, OpSystemGone)
			dst = enc.AppendString(dst, k.c.name)
		} else {
			dst, mark = open(dst, OpSystem)
			dst = appendSystem(dst, k.after)
		}
		shut(dst, mark)
	}
	return dst
}

func appendProc(dst []byte, s *State) []byte {
	d := s.Def
	dst = enc.AppendUvarints(dst, d.ID)
	dst = enc.AppendStrings(dst, d.Name, d.Topic)
	dst = enc.AppendVarints(dst, d.CreatedAt)
	dst = enc.AppendUvarints(dst, d.Owner)
	dst = enc.AppendStrings(dst, d.System)
	dst = appendOptions(dst, &d.Options)
	return appendState(dst, s)
}

func appendOptions(dst []byte, o *Options) []byte {
	dst = enc.AppendStrings(dst, o.Offset)
	dst = enc.AppendVarints(dst, int64(o.MaxReclaims), int64(o.ReclaimTimeout)/millisecond)
	dst = append(dst, byte(o.OnMax))
	dst = enc.AppendStrings(dst, o.DeadLetter)
	return enc.AppendVarints(dst, int64(o.Backoff)/millisecond, int64(o.MaxBackoff)/millisecond)
}

func appendID(dst []byte, id record.ID) []byte {
	return binary.AppendUvarint(binary.AppendVarint(dst, id.Millis), id.Seq)
}

func appendRange(dst []byte, r record.Range) []byte {
	dst = binary.AppendUvarint(dst, r.Count)
	if r.Count == 0 {
		return dst
	}
	return appendID(appendID(dst, r.First), r.Last)
}

const flagDisabled = 1

func appendState(dst []byte, s *State) []byte {
	u := binary.AppendUvarint
	dst = appendID(u(dst, s.Next), s.Floor)
	var flags byte
	if s.Disabled {
		flags |= flagDisabled
	}
	dst = u(append(dst, flags), uint64(len(s.Claims)))
	for _, c := range s.Claims {
		dst = u(u(dst, c.Token.Epoch), c.Token.Serial)
		dst = binary.AppendVarint(appendRange(dst, c.Range), c.At)
	}
	dst = u(dst, 0) // acknowledged ranges above Next
	for _, r := range []record.Range{s.LastClaimed, s.PrevClaimed, s.LastAcked} {
		dst = appendRange(dst, r)
	}
	for _, v := range []int64{s.LastClaimedAt, s.LastAckedAt} {
		dst = binary.AppendVarint(dst, v)
	}
	dst = u(dst, uint64(s.Reclaims))
	return u(binary.AppendVarint(dst, s.RetryAt), s.Skipped)
}

// AppendResult appends the result of a staged proposal: its claim, and the
// proc's state afterwards.
func (op *Op) AppendResult(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, op.Claim.Token.Epoch)
	dst = binary.AppendUvarint(dst, op.Claim.Token.Serial)
	dst = appendRange(dst, op.Claim.Range)
	if op.State == nil {
		return enc.AppendBytes(dst, nil)
	}
	return enc.AppendBytes(dst, appendProc(nil, op.State))
}

// ReadResult is the inverse of AppendResult.
func (op *Op) ReadResult(d *enc.Reader) error {
	op.Claim = OpenClaim{Token: Token{d.Uvarint(), d.Uvarint()}, Range: decodeRange(d)}
	p := enc.Reader{B: d.Bytes()}
	if d.Err != nil || len(p.B) == 0 {
		return d.Err
	}
	var err error
	op.State, err = readProc(&p)
	return err
}

func appendSystem(dst []byte, s *System) []byte {
	dst = enc.AppendStrings(dst, s.Name, s.Processor)
	dst = appendList(appendList(dst, s.From), s.To)
	var many byte
	if s.Many {
		many = 1
	}
	dst = append(dst, many)
	dst = enc.AppendUvarints(dst, uint64(s.Count), uint64(s.Lanes))
	dst = enc.AppendVarints(dst, s.CreatedAt)
	dst = appendOptions(dst, &s.Options)
	if len(s.Command) == 0 {
		return dst // as in versions without commands
	}
	return enc.AppendStrings(appendList(dst, s.Command), s.Source)
}

func appendList(dst []byte, list []string) []byte {
	return enc.AppendStrings(enc.AppendUvarints(dst, uint64(len(list))), list...)
}

func decodeList(d *enc.Reader) (list []string) {
	for range d.Count(1) {
		list = append(list, string(d.Bytes()))
	}
	return list
}

// Decode applies an operation, as replay does. It fails if the operation is
// malformed or does not fit the state.
func (m *Machine) Decode(code byte, payload []byte) error {
	d := enc.Reader{B: payload}
	var err error
	switch code {
	case OpProc:
		err = m.decodeProc(&d)
	case OpState, OpGone:
		id := d.Uvarint()
		p := m.byID[id]
		if d.Err == nil && (p == nil || p.applied == nil) {
			return fmt.Errorf("the command names proc %d, which does not exist", id)
		}
		var s *State
		if code == OpState && d.Err == nil {
			s = &State{Def: p.applied.Def}
			err = decodeState(&d, s)
		}
		if err = done(&d, err); err == nil {
			m.settle(p, s)
		}
		return err
	case OpSystem:
		err = m.decodeSystem(&d)
	case OpSystemGone:
		name := string(d.Bytes())
		if err = done(&d, nil); err == nil {
			c := m.cell(name)
			c.staged = nil
			m.setSystem(c, nil)
		}
		return err
	default:
		return errs.Version.With(fmt.Sprintf("operation %d on procs", code))
	}
	return err
}

// Check decodes an operation as Decode does, as far as that does not depend on the
// state, and takes nothing over.
func Check(code byte, payload []byte) error {
	d := enc.Reader{B: payload}
	switch code {
	case OpProc:
		_, err := readProc(&d)
		return err
	case OpState:
		_ = d.Uvarint()
		return done(&d, decodeState(&d, &State{Def: &Def{}}))
	case OpGone:
		_ = d.Uvarint()
		return done(&d, nil)
	case OpSystem:
		_, err := readSystem(&d)
		return err
	case OpSystemGone:
		_ = d.Bytes()
		return done(&d, nil)
	}
	return errs.Version.With(fmt.Sprintf("operation %d on procs", code))
}

// settle makes s the applied and the staged state of p.
func (m *Machine) settle(p *Proc, s *State) {
	p.staged = s
	m.set(p, s)
}

func done(d *enc.Reader, err error) error {
	if err != nil {
		return err
	}
	if d.Err != nil || len(d.B) != 0 {
		return enc.ErrMalformed
	}
	return nil
}

// readProc reads a proc with its definition.
func readProc(d *enc.Reader) (*State, error) {
	def := &Def{ID: d.Uvarint(), Name: string(d.Bytes()), Topic: string(d.Bytes()), CreatedAt: d.Varint(),
		Owner: d.Uvarint(), System: string(d.Bytes())}
	def.Options = decodeOptions(d)
	s := &State{Def: def}
	if err := done(d, decodeState(d, s)); err != nil {
		return nil, err
	}
	if def.ID == 0 || def.ID == 1<<64-1 || def.OnMax >= numStrategies || def.Name == "" || record.CheckName(def.Topic) != nil {
		return nil, enc.ErrMalformed
	}
	return s, nil
}

func (m *Machine) decodeProc(d *enc.Reader) error {
	s, err := readProc(d)
	if err != nil {
		return err
	}
	def := s.Def
	p := m.byID[def.ID]
	other := m.byName[def.Name]
	if other != nil && other.applied == nil { // destroyed by the same command
		other = p
	}
	if other != p || p != nil && (p.applied == nil || p.topic != def.Topic) {
		return fmt.Errorf("proc %d %q does not fit the state", def.ID, def.Name)
	}
	if p == nil {
		p = m.add(def)
	}
	m.settle(p, s)
	return nil
}

func decodeOptions(d *enc.Reader) Options {
	ms := func() time.Duration {
		v := d.Varint()
		if v > int64(maxDuration/time.Millisecond) || v < -1 {
			d.Err = enc.ErrMalformed
			return 0
		}
		return time.Duration(v) * time.Millisecond
	}
	count := func() int {
		v := d.Varint()
		if int64(int(v)) != v {
			d.Err = enc.ErrMalformed
		}
		return int(v)
	}
	return Options{Offset: string(d.Bytes()), MaxReclaims: count(), ReclaimTimeout: ms(),
		OnMax: Strategy(d.Byte()), DeadLetter: string(d.Bytes()), Backoff: ms(), MaxBackoff: ms()}
}

func decodeID(d *enc.Reader) record.ID { return record.ID{Millis: d.Varint(), Seq: d.Uvarint()} }

func decodeRange(d *enc.Reader) record.Range {
	r := record.Range{Count: d.Uvarint()}
	if r.Count > 0 {
		r.First, r.Last = decodeID(d), decodeID(d)
		if r.Last.Seq < r.First.Seq || r.Last.Seq == 1<<64-1 {
			d.Err = enc.ErrMalformed
		}
	}
	return r
}

func decodeState(d *enc.Reader, s *State) error {
	s.Next, s.Floor = d.Uvarint(), decodeID(d)
	flags := d.Byte()
	s.Disabled = flags&flagDisabled != 0
	n := d.Count(5)
	if flags > flagDisabled || n > 1 {
		return errs.Version.With("a proc of a kind that a newer version made")
	}
	for range n {
		c := OpenClaim{Token: Token{d.Uvarint(), d.Uvarint()}, Range: decodeRange(d), At: d.Varint()}
		if c.Range.Empty() || c.Token == (Token{}) {
			return enc.ErrMalformed
		}
		s.one[0] = c
		s.Claims = s.one[:]
	}
	if d.Uvarint() != 0 {
		return errs.Version.With("a proc with acknowledged ranges, which a newer version made")
	}
	s.LastClaimed, s.PrevClaimed, s.LastAcked = decodeRange(d), decodeRange(d), decodeRange(d)
	s.LastClaimedAt, s.LastAckedAt = d.Varint(), d.Varint()
	reclaims := d.Uvarint()
	s.RetryAt, s.Skipped = d.Varint(), d.Uvarint()
	if reclaims > min(1<<62, math.MaxInt) {
		return enc.ErrMalformed
	}
	s.Reclaims = int(reclaims)
	return nil
}

func (m *Machine) decodeSystem(d *enc.Reader) error {
	s, err := readSystem(d)
	if err != nil {
		return err
	}
	c := m.cell(s.Name)
	c.staged = s
	m.setSystem(c, s)
	return nil
}

func readSystem(d *enc.Reader) (*System, error) {
	s := &System{Name: string(d.Bytes()), Processor: string(d.Bytes())}
	s.From, s.To = decodeList(d), decodeList(d)
	s.Many = d.Byte() != 0
	count, lanes := d.Uvarint(), d.Uvarint()
	s.CreatedAt = d.Varint()
	s.Options = decodeOptions(d)
	if len(d.B) > 0 {
		s.Command, s.Source = decodeList(d), string(d.Bytes())
		if len(s.Command) == 0 {
			return nil, enc.ErrMalformed
		}
	}
	if err := done(d, nil); err != nil {
		return nil, err
	}
	if s.Name == "" || len(s.From) == 0 || count > min(1<<31, math.MaxInt) || lanes > 1<<16 || s.OnMax >= numStrategies {
		return nil, enc.ErrMalformed
	}
	s.Count, s.Lanes = int(count), int(lanes)
	return s, nil
}
