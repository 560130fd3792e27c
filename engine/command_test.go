package engine

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/wal"
)

func goldenCommand() ([]byte, []wal.Part) {
	body := []byte("stored")
	blocks := []topics.Block{{Header: segment.Header{Base: 300, Time: 1005, Count: 2, Raw: 9, Codec: segment.Zstd}, Body: body}}
	b := appendCommand(nil, 1000)
	b = appendCreate(b, 7, "name", topics.Options{SegmentSize: 65536, Compression: segment.Zstd})
	b = appendAppend(b, 7, 1000, blocks)
	b = appendPrune(b, 7, 200)
	b = appendDelete(b, 7)
	return b, []wal.Part{{Bytes: body, Sum: segment.Sum(body)}}
}

// TestCommandFormat: the bytes of version 1 never change.
func TestCommandFormat(t *testing.T) {
	b, parts := goldenCommand()
	const want = "01d00f" + "010a00000007046e616d6580800401" + "02080000000701ac020a020901" + "030300000007c801" + "040100000007"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var kinds []byte
	var scratch []topics.Block
	err := decodeCommand(b, parts, &scratch, func(ms int64, op *decodedOp) error {
		kinds = append(kinds, op.kind)
		if ms != 1000 || op.id != 7 {
			t.Errorf("%d: time %d, id %d", op.kind, ms, op.id)
		}
		switch op.kind {
		case opCreate:
			if op.name != "name" || op.opts.SegmentSize != 65536 || op.opts.Compression != segment.Zstd {
				t.Errorf("%+v", op)
			}
		case opAppend:
			h := op.blocks[0].Header
			if h.Base != 300 || h.Time != 1005 || h.Count != 2 || h.Raw != 9 || h.Stored != 6 || h.Sum != parts[0].Sum || h.Codec != segment.Zstd {
				t.Errorf("%+v", h)
			}
		case opPrune:
			if op.first != 200 {
				t.Errorf("%+v", op)
			}
		}
		return nil
	})
	if err != nil || !bytes.Equal(kinds, []byte{opCreate, opAppend, opPrune, opDelete}) {
		t.Error(kinds, err)
	}
}

// TestCommandHostile: a command that was cut or has a changed bit is an error or
// decodes; nothing panics, and an unknown operation or version is refused, not
// skipped.
func TestCommandHostile(t *testing.T) {
	b, parts := goldenCommand()
	var scratch []topics.Block
	decode := func(b []byte, parts []wal.Part) error {
		return decodeCommand(b, parts, &scratch, func(ms int64, op *decodedOp) error {
			if op.kind >= opProcs {
				return machines{}.applyDecoded(op, 1, ms)
			}
			return nil
		})
	}
	whole := 0 // the part is used, and an operation ends here
	for n := range b {
		switch err := decode(b[:n], parts); {
		case err == nil && n < 25:
			t.Errorf("cut to %d bytes: no error, though a part is left over", n)
		case err == nil:
			whole++
		}
	}
	if whole != 2 {
		t.Errorf("%d cut commands decoded, want the 2 cut before the last or the last two operations", whole)
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			_ = decodeCommand(c, parts, &scratch, func(int64, *decodedOp) error { return nil })
		}
	}
	for _, kind := range []byte{0, opDelete + 1, opProcs - 1, 99, 255} {
		if err := decode(append(appendCommand(nil, 1), kind, 0, 0, 0, 0), nil); !errors.Is(err, errs.Version) {
			t.Errorf("operation %d, which is unknown: %v", kind, err)
		}
	}
	c := bytes.Clone(b)
	c[0] = 2
	if err := decode(c, parts); !errors.Is(err, errs.Version) {
		t.Errorf("unknown version: %v", err)
	}
}
