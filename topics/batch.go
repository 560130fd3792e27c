package topics

import (
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// Target sizes of blocks, in bytes of raw body. A block is closed once it reaches
// its target. Small blocks make point reads cheap; larger ones compress well.
const (
	blockTarget     = 2 << 10
	zstdBlockTarget = 64 << 10
)

// Block is one encoded block: its stored body, and its header, of which staging
// sets Base and Time.
type Block struct {
	segment.Header
	Body []byte
}

// Batch gathers records of any topics, to be committed together. It copies the
// records, keeps its buffers across Reset, and is not safe for concurrent use.
type Batch struct {
	slots     []slot
	order     []uint32 // the slot of each record, in the order added
	count     int
	lent      bool // the records alias the caller's memory: see ReadWire
	last      int  // slot of the latest record; -1 at the start
	bytes     int  // encoded bytes of all records
	largest   int  // size of the largest body, in bytes
	ids       []ID
	err       error // the first bad record; reported by Prepare
	committed bool  // slots have what the latest commit assigned
	unbounded bool
	force     bool // accept explicit ids in the future; survives Reset
	// byName finds slots once there are more than maxLinear.
	byName map[string]int
}

// slot is the part of a batch that goes to one topic.
type slot struct {
	name     string
	topic    *Topic
	created  bool // the batch creates the topic
	raw      []byte
	cuts     []cut
	blocks   []Block
	packed   []byte
	count    uint64
	expect   uint64
	expects  bool
	explicit bool
	follow   int    // guess: the slot of the record that last followed one of this slot
	base     uint64 // sequence of the first record, once staged
	time     int64
	next     uint64
	plan     plan
}

// reset empties s. It keeps name, topic, follow and memory.
func (s *slot) reset() {
	s.created, s.expects, s.explicit = false, false, false
	s.raw, s.cuts, s.blocks, s.packed = s.raw[:0], s.cuts[:0], s.blocks[:0], s.packed[:0]
	s.count, s.expect, s.base, s.time, s.next = 0, 0, 0, 0, 0
}

// cut ends a run of records that stays within one block.
type cut struct {
	end   int // offset in raw
	count uint32
	base  uint64 // explicit ids only
	time  int64
}

// maxLinear is how many slots are searched without a map.
const maxLinear = 16

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	if b.lent {
		for i := range b.slots {
			b.slots[i].raw = nil
		}
		b.lent = false
	}
	b.slots = b.slots[:0]
	b.order = b.order[:0]
	b.count = 0
	b.last = -1
	b.bytes, b.largest, b.err, b.committed = 0, 0, nil, false
	clear(b.byName)
}

// Len returns the number of records.
func (b *Batch) Len() int { return b.count }

// Bytes returns the size of the encoded records, in bytes.
func (b *Batch) Bytes() int { return b.bytes }

// slotOf returns the index of the topic's slot, and adds the slot if necessary.
// Topics usually repeat in the same order, so it first tries the last slot and the
// one that followed it before.
func (b *Batch) slotOf(name string) (int, error) {
	if b.last < 0 || b.last >= len(b.slots) {
		return b.findSlot(name)
	}
	s := &b.slots[b.last]
	if s.name == name {
		return b.last, nil
	}
	if s.follow < len(b.slots) && b.slots[s.follow].name == name {
		return s.follow, nil
	}
	i, err := b.findSlot(name)
	if err == nil {
		b.slots[b.last].follow = i // s may have moved
	}
	return i, err
}

// findSlot is slotOf without the guesses.
func (b *Batch) findSlot(name string) (int, error) {
	if len(b.slots) <= maxLinear {
		for i := range b.slots {
			if b.slots[i].name == name {
				return i, nil
			}
		}
	} else {
		if len(b.byName) == 0 {
			if b.byName == nil {
				b.byName = make(map[string]int)
			}
			for i := range b.slots {
				b.byName[b.slots[i].name] = i
			}
		}
		if i, ok := b.byName[name]; ok {
			return i, nil
		}
	}
	i := len(b.slots)
	if i == cap(b.slots) {
		b.slots = append(b.slots, slot{})[:i]
	}
	s := &b.slots[:i+1][i]
	if s.name != name || name == "" { // a reused batch usually gets the same topics again
		if err := record.CheckName(name); err != nil {
			return 0, err
		}
		s.name, s.topic = name, nil
	}
	s.reset()
	b.slots = b.slots[:i+1]
	if len(b.byName) > 0 {
		b.byName[name] = i
	}
	return i, nil
}

// Fail makes Prepare fail with err, unless an error came before it, and returns err.
func (b *Batch) Fail(err error) error {
	if b.err == nil {
		b.err = err
	}
	return err
}

// Add appends a record. headers is an encoded headers section or empty. After an
// error, such as a bad topic name, committing the batch fails with the first one.
func (b *Batch) Add(topic string, key, headers, body []byte) error {
	return b.add(topic, key, headers, body, ID{}, false)
}

// AddWithID appends a record that already has an id, for an import. Errors are as
// in Add.
func (b *Batch) AddWithID(topic string, id ID, key, headers, body []byte) error {
	if id.Millis < 0 || id.Millis >= 1<<47 {
		return b.Fail(errs.InvalidImport.With(fmt.Sprintf("id %s: the time is out of range", id)))
	}
	return b.add(topic, key, headers, body, id, true)
}

func (b *Batch) add(topic string, key, headers, body []byte, id ID, explicit bool) error {
	i, err := b.slotOf(topic)
	if err != nil {
		return b.Fail(err)
	}
	if len(body) > segment.MaxRaw/2 || len(key) > segment.MaxRaw/8 || len(headers) > segment.MaxRaw/8 {
		return b.Fail(errs.TooLarge.With(fmt.Sprintf("a record of %d bytes can never be stored", len(body)+len(key)+len(headers))))
	}
	s := &b.slots[i]
	if s.count > 0 && s.explicit != explicit {
		return b.Fail(errs.InvalidImport.With("records with and without ids for one topic in one batch"))
	}
	s.explicit = explicit
	target := blockTarget
	var c *cut
	if n := len(s.cuts); n > 0 {
		c = &s.cuts[n-1]
		start := 0
		if n > 1 {
			start = s.cuts[n-2].end
		}
		follows := !explicit || id.Millis == c.time && id.Seq == c.base+uint64(c.count)
		if explicit {
			if id.Seq < c.base+uint64(c.count) || id.Millis < c.time {
				return b.Fail(errs.InvalidImport.With(fmt.Sprintf("id %s does not rise above the one before it", id)))
			}
		}
		if c.end-start >= target || !follows {
			c = nil
		}
	}
	if c == nil {
		s.cuts = append(s.cuts, cut{base: id.Seq, time: id.Millis})
		c = &s.cuts[len(s.cuts)-1]
	}
	n := len(s.raw)
	s.raw = segment.AppendRecord(s.raw, key, headers, body)
	c.end = len(s.raw)
	c.count++
	s.count++
	b.bytes += len(s.raw) - n
	b.largest = max(b.largest, len(body))
	b.order = append(b.order, uint32(i))
	b.count++
	b.last = i
	return nil
}

// Expect makes the commit conditional: the topic's next sequence must be next,
// or 0 for a topic that does not exist yet. If it is not, the commit returns a
// *ConflictError and commits nothing of the batch.
func (b *Batch) Expect(topic string, next uint64) error {
	i, err := b.slotOf(topic)
	if err != nil {
		return b.Fail(err)
	}
	b.slots[i].expect, b.slots[i].expects = next, true
	return nil
}

// FrameBound returns an upper bound on the size of a prepared batch in the
// write-ahead log, in bytes.
func (b *Batch) FrameBound() int64 {
	n := int64(256)
	for i := range b.slots {
		s := &b.slots[i]
		n += int64(len(s.name)) + 64
		for k := range s.blocks {
			n += int64(len(s.blocks[k].Body)) + 64
		}
	}
	return n
}

// Explicit reports whether any record brings its own id.
func (b *Batch) Explicit() bool {
	for i := range b.slots {
		if b.slots[i].explicit {
			return true
		}
	}
	return false
}

// Unbounded exempts the batch from Config.MaxBatch and MaxBody, because its records
// were committed before. It survives Reset.
func (b *Batch) Unbounded() { b.unbounded = true }

// Force makes the batch accept explicit ids however far in the future they are. It
// survives Reset.
func (b *Batch) Force(on bool) { b.force = on }

// Uncommitted makes IDs return none until the batch is committed again.
func (b *Batch) Uncommitted() { b.committed = false }

// IDs returns the ids of the records of a committed batch, in the order they were
// added, and none if the latest commit failed. The slice is valid until the next use of
// the batch.
func (b *Batch) IDs() []ID {
	if !b.committed {
		return nil
	}
	b.ids = b.ids[:0]
	for i := range b.slots {
		b.slots[i].next = b.slots[i].base
	}
	for _, i := range b.order {
		s := &b.slots[i]
		b.ids = append(b.ids, ID{Millis: s.time, Seq: s.next})
		s.next++
	}
	for i := range b.slots {
		if b.slots[i].explicit {
			b.explicitIDs()
			break
		}
	}
	return b.ids
}

// explicitIDs corrects b.ids for slots whose records brought their own ids.
func (b *Batch) explicitIDs() {
	at := make([]struct{ cut, n int }, len(b.slots))
	for k, i := range b.order {
		s := &b.slots[i]
		if !s.explicit {
			continue
		}
		p := &at[i]
		c := s.cuts[p.cut]
		b.ids[k] = ID{Millis: c.time, Seq: c.base + uint64(p.n)}
		if p.n++; p.n == int(c.count) {
			*p = struct{ cut, n int }{p.cut + 1, 0}
		}
	}
}

// prepare encodes the slot's blocks as far as possible without their sequences,
// and so outside the commit lock.
func (s *slot) prepare(codec segment.Codec, codecs *segment.Codecs) {
	target := 0
	if codec != segment.None {
		target = zstdBlockTarget
	}
	s.blocks, s.packed = s.blocks[:0], s.packed[:0]
	start := 0
	for i := 0; i < len(s.cuts); {
		c := s.cuts[i]
		i++
		for i < len(s.cuts) && c.end-start < target &&
			(!s.explicit || s.cuts[i].time == c.time && s.cuts[i].base == c.base+uint64(c.count)) {
			c.end, c.count = s.cuts[i].end, c.count+s.cuts[i].count
			i++
		}
		raw := s.raw[start:c.end]
		start = c.end
		blk := Block{Header: segment.Header{Raw: uint32(len(raw)), Count: c.count, Base: c.base, Time: c.time}, Body: raw}
		if codec != segment.None && len(raw) >= minCompress {
			n := len(s.packed)
			s.packed = slices.Grow(s.packed, len(raw)+64) // earlier bodies stay in the old array
			out := codecs.Compress(s.packed[n:n:cap(s.packed)], raw)
			if len(out) < len(raw) { // so it fitted into s.packed
				s.packed = s.packed[:n+len(out)]
				blk.Codec, blk.Body = codec, out[:len(out):len(out)]
			}
		}
		blk.Stored = uint32(len(blk.Body))
		blk.Sum = segment.Sum(blk.Body)
		s.blocks = append(s.blocks, blk)
	}
}

// minCompress is the smallest raw body worth compressing, in bytes.
const minCompress = 256
