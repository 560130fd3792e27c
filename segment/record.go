package segment

import "encoding/binary"

// AppendRecord appends a record to the raw body dst. headers is made with
// [AppendHeader]. key, headers and body may be empty; empty ones are read back as
// nil or empty.
func AppendRecord(dst, key, headers, body []byte) []byte {
	lead := uint64(len(body)) << 1
	if len(key) == 0 && len(headers) == 0 {
		dst = binary.AppendUvarint(dst, lead)
		return append(dst, body...)
	}
	dst = binary.AppendUvarint(dst, lead|1)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	dst = binary.AppendUvarint(dst, uint64(len(headers)))
	dst = append(dst, headers...)
	return append(dst, body...)
}

// Record is one record of a block. Its slices alias the raw body that it was read
// from, and have no spare capacity.
type Record struct {
	Seq     uint64
	Time    int64 // unix milliseconds
	Key     []byte
	Headers []byte // see EachHeader
	Body    []byte
}

// Records iterates over the records of a raw body. It is a value and allocates
// nothing. It is not safe for concurrent use. Declare it before a loop, not in
// the loop's own clause, which would copy it for every record:
//
//	rs := segment.NewRecords(h, raw)
//	for rs.Next(&rec) { ... }
type Records struct {
	raw  []byte
	pos  int    // of the next record in raw
	seq  uint64 // of the next record
	end  uint64 // sequence after the last record
	time int64
	err  error
}

// NewRecords returns an iterator over the records of the block with header h.
// raw is its decompressed body; a length other than h.Raw is damage.
func NewRecords(h Header, raw []byte) Records {
	r := Records{raw: raw, seq: h.Base, end: h.Next(), time: h.Time}
	if uint64(len(raw)) != uint64(h.Raw) {
		r.fail(errRawSize)
	}
	return r
}

// Next stores the next record in rec. It returns false at the end of the block and
// at damage; Err tells which. rec is then invalid.
func (r *Records) Next(rec *Record) bool {
	if r.seq == r.end {
		return r.finish()
	}
	raw, pos := r.raw, r.pos
	lead, n := uvarint(raw[pos:])
	if n == 0 {
		return r.fail(errVarint)
	}
	pos += n
	if lead&1 != 0 {
		key, headers, next, err := extension(raw, pos)
		if err != nil {
			return r.fail(err)
		}
		rec.Key, rec.Headers = key, headers
		pos = next
	} else if rec.Key != nil || rec.Headers != nil {
		rec.Key, rec.Headers = nil, nil
	}
	if lead>>1 > uint64(len(raw)-pos) {
		return r.fail(errRecord)
	}
	end := pos + int(lead>>1)
	rec.Body = raw[pos:end:end]
	rec.Seq, rec.Time = r.seq, r.time
	r.pos = end
	r.seq++
	return true
}

// Skip skips n records, reading only their lengths. It returns false if the block
// holds fewer, or at damage.
func (r *Records) Skip(n uint64) bool {
	for ; n > 0; n-- {
		if r.seq == r.end {
			return r.finish()
		}
		raw, pos := r.raw, r.pos
		lead, w := uvarint(raw[pos:])
		if w == 0 {
			return r.fail(errVarint)
		}
		pos += w
		if lead&1 != 0 {
			var err error
			if _, _, pos, err = extension(raw, pos); err != nil {
				return r.fail(err)
			}
		}
		if lead>>1 > uint64(len(raw)-pos) {
			return r.fail(errRecord)
		}
		r.pos = pos + int(lead>>1)
		r.seq++
	}
	return true
}

// extension splits key and headers off raw at pos and returns where the body
// begins.
func extension(raw []byte, pos int) (key, headers []byte, next int, err error) {
	key, rest, err := cutBytes(raw[pos:])
	if err == nil {
		headers, rest, err = cutBytes(rest)
	}
	return key, headers, len(raw) - len(rest), err
}

// Err returns what ended the iteration early, or nil. It matches ErrCorrupt
// and carries no coordinates.
func (r *Records) Err() error { return r.err }

// finish checks, after all records were read, that nothing follows them.
func (r *Records) finish() bool {
	if r.err == nil && r.pos < len(r.raw) {
		r.err = errTrailing
	}
	return false
}

func (r *Records) fail(err error) bool {
	r.err, r.end = err, r.seq
	return false
}

// uvarint decodes a uvarint at the start of b and returns it with its length
// in bytes. The length is 0 when b holds no complete uvarint, or one that
// overflows 64 bits or is not in its shortest form.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1]-1 < 0x7f { // two bytes, the second from 1 to 0x7f
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
	}
	return longUvarint(b)
}

func longUvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n <= 0 || b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}

// cutBytes splits a byte string with a uvarint length off the start of b. The
// returned string has no spare capacity, so that appending to it copies.
func cutBytes(b []byte) (s, rest []byte, err error) {
	l, n := uvarint(b)
	if n == 0 {
		return nil, nil, errVarint
	}
	if l > uint64(len(b)-n) {
		return nil, nil, errRecord
	}
	end := n + int(l)
	return b[n:end:end], b[end:], nil
}
