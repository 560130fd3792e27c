package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/wal"
)

// A command is one change of the state. It is one frame of the WAL and is applied
// whole or not at all. Its meta part is
//
//	u8 version 1 | varint time, unix milliseconds | operation…
//	operation: u8 kind | u32 length of its payload, little endian | payload
//
// and the payloads are, in uvarints unless said otherwise,
//
//	1 create topic: id | name | segment size | u8 codec
//	2 append:       topic id | block count | block…
//	     block:     base sequence | varint time minus the command's | records |
//	                raw length | u8 codec
//	3 prune:        topic id | first sequence to keep
//	4 delete topic: topic id
//	16 to 20        procs, see procstate
//	24, 25          retention, see gcprune
//	32              the reply, for a client that may send the command again, see once
//
// The stored bodies of all blocks are the frame's parts, in order; the frame's table
// holds their lengths and checksums. A command contains every id, sequence and time
// that it sets, so that applying it needs nothing but the state. Every operation has
// a length, so that a program can name one that it does not know. An unknown kind or
// version is refused, never skipped.
const commandVersion = 1

const (
	opCreate = 1
	opAppend = 2
	opPrune  = 3
	opDelete = 4
	opProcs  = 16 // and above: operations of other machines
	opPolicy = gcprune.OpPolicy
)

func appendCommand(dst []byte, ms int64) []byte {
	dst = append(dst, commandVersion)
	return binary.AppendVarint(dst, ms)
}

// openOp appends the start of an operation and returns a mark, with which closeOp
// fills in the length of the payload.
func openOp(dst []byte, kind byte) ([]byte, int) {
	dst = append(dst, kind, 0, 0, 0, 0)
	return dst, len(dst)
}

func closeOp(dst []byte, mark int) {
	binary.LittleEndian.PutUint32(dst[mark-4:], uint32(len(dst)-mark))
}

func appendCreate(dst []byte, id uint64, name string, o topics.Options) []byte {
	dst, m := openOp(dst, opCreate)
	dst = enc.AppendUvarints(dst, id)
	dst = enc.AppendStrings(dst, name)
	dst = enc.AppendUvarints(dst, uint64(o.SegmentSize))
	dst = append(dst, byte(o.Compression))
	closeOp(dst, m)
	return dst
}

func appendAppend(dst []byte, id uint64, ms int64, blocks []topics.Block) []byte {
	dst, m := openOp(dst, opAppend)
	dst = binary.AppendUvarint(dst, id)
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	for i := range blocks {
		h := &blocks[i].Header
		dst = binary.AppendUvarint(dst, h.Base)
		dst = binary.AppendVarint(dst, h.Time-ms)
		dst = binary.AppendUvarint(dst, uint64(h.Count))
		dst = binary.AppendUvarint(dst, uint64(h.Raw))
		dst = append(dst, byte(h.Codec))
	}
	closeOp(dst, m)
	return dst
}

func appendPrune(dst []byte, id, first uint64) []byte {
	dst, m := openOp(dst, opPrune)
	dst = binary.AppendUvarint(dst, id)
	dst = binary.AppendUvarint(dst, first)
	closeOp(dst, m)
	return dst
}

func appendDelete(dst []byte, id uint64) []byte {
	dst, m := openOp(dst, opDelete)
	dst = binary.AppendUvarint(dst, id)
	closeOp(dst, m)
	return dst
}

// decodedOp is one operation of a command.
type decodedOp struct {
	kind   byte
	id     uint64
	name   string
	opts   topics.Options
	blocks []topics.Block
	first  uint64
	rest   []byte // the payload, if the operation is not about topics
}

// decodeCommand calls fn for each operation of a command. Block bodies alias parts.
// blocks is scratch memory, and op is valid only during the call of fn.
func decodeCommand(meta []byte, parts []wal.Part, blocks *[]topics.Block, fn func(ms int64, op *decodedOp) error) error {
	d := enc.Reader{B: meta}
	if v := d.Byte(); v != commandVersion {
		return errs.Version.With(fmt.Sprintf("command of version %d", v))
	}
	ms := d.Varint()
	part := 0
	var op decodedOp
	for d.Err == nil && len(d.B) > 0 {
		op = decodedOp{kind: d.Byte()}
		if len(d.B) < 4 {
			return enc.ErrMalformed
		}
		n := binary.LittleEndian.Uint32(d.B)
		if uint64(n) > uint64(len(d.B)-4) {
			return enc.ErrMalformed
		}
		p := enc.Reader{B: d.B[4 : 4+n]}
		d.B = d.B[4+n:]
		if op.kind >= opProcs {
			op.rest, p.B = p.B, nil
		} else {
			op.id = p.Uvarint()
		}
		switch op.kind {
		case opCreate:
			op.name = string(p.Bytes())
			op.opts = topics.Options{SegmentSize: int64(p.Uvarint()), Compression: segment.Codec(p.Byte())}
		case opAppend:
			*blocks = (*blocks)[:0]
			for range p.Count(5) {
				h := segment.Header{Base: p.Uvarint(), Time: ms + p.Varint(), Count: uint32(p.Uvarint()), Raw: uint32(p.Uvarint()), Codec: segment.Codec(p.Byte())}
				if part >= len(parts) {
					return enc.ErrMalformed
				}
				h.Stored, h.Sum = uint32(len(parts[part].Bytes)), parts[part].Sum
				if h.Codec > segment.Zstd || h.Time < 0 || h.Time >= 1<<47 || h.Count == 0 {
					return enc.ErrMalformed
				}
				*blocks = append(*blocks, topics.Block{Header: h, Body: parts[part].Bytes})
				part++
			}
			op.blocks = *blocks
		case opPrune:
			op.first = p.Uvarint()
		case opDelete:
		default:
			if op.kind >= opProcs {
				break // applyDecoded refuses it if no machine knows it
			}
			return errs.Version.With(fmt.Sprintf("command with operation %d", op.kind))
		}
		if p.Err != nil || len(p.B) != 0 {
			return enc.ErrMalformed
		}
		if err := fn(ms, &op); err != nil {
			return err
		}
	}
	if d.Err != nil || part != len(parts) {
		return enc.ErrMalformed
	}
	return nil
}
