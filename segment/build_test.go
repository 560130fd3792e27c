package segment_test

import (
	"fmt"
	"io"
	"math/rand"
	"strings"

	"github.com/pipeproc/pipeproc/segment"
)

// readerAt is an io.ReaderAt over bytes.
type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func testMeta() segment.Meta {
	return segment.Meta{
		Store: [16]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf},
		Topic: 0x1122334455667788, Number: 9, Base: 1000, Epoch: 3, Name: "orders",
	}
}

// builder makes a segment file in memory.
type builder struct {
	m       segment.Meta
	data    []byte
	entries []segment.Entry
	sum     segment.Summary
	digest  segment.Digest
	codecs  *segment.Codecs
	time    int64
	offs    []int64 // of the blocks
}

func newBuilder(m segment.Meta) *builder {
	return &builder{
		m: m, data: m.Encode(), codecs: segment.NewCodecs(), time: 1_700_000_000_000,
		sum: segment.Summary{First: m.Base, Next: m.Base, DataEnd: segment.FileHeaderSize},
	}
}

// add appends a block of plain records.
func (b *builder) add(codec segment.Codec, bodies ...string) {
	var raw []byte
	for _, s := range bodies {
		raw = segment.AppendRecord(raw, nil, nil, []byte(s))
	}
	b.addRaw(uint32(len(bodies)), raw, codec)
}

func (b *builder) addRaw(count uint32, raw []byte, codec segment.Codec) {
	stored := raw
	if codec == segment.Zstd {
		stored = b.codecs.Compress(nil, raw)
	}
	h := segment.Header{
		Stored: uint32(len(stored)), Raw: uint32(len(raw)), Base: b.sum.Next, Time: b.time,
		Codec: codec, Count: count, Sum: segment.Sum(stored),
	}
	b.time += 5
	b.addBlock(h, stored)
}

func (b *builder) addBlock(h segment.Header, stored []byte) {
	off := b.sum.DataEnd
	var head [segment.HeaderSize]byte
	h.Put(head[:], b.m.Place(), off)
	b.data = append(append(b.data[:off], head[:]...), stored...)
	b.offs = append(b.offs, off)
	if n := len(b.entries); n == 0 || off-b.entries[n-1].Off >= 8<<10 {
		b.entries = append(b.entries, segment.Entry{Seq: h.Base, Time: h.Time, Off: off})
	}
	b.digest.Add(segment.HeadSum(head[:]))
	if b.sum.Blocks == 0 {
		b.sum.FirstTime = h.Time
	}
	b.sum.Blocks++
	b.sum.Records += uint64(h.Count)
	b.sum.Next, b.sum.LastTime, b.sum.DataEnd = h.Next(), h.Time, off+h.Size()
	b.sum.Digest = b.digest.Sum()
}

func (b *builder) seal() {
	b.data = segment.AppendFooter(b.data[:b.sum.DataEnd], b.entries, b.sum, b.m.Place())
}

// benchText is n bytes of something like log lines.
func benchText(n int) []byte {
	rnd := rand.New(rand.NewSource(1))
	words := strings.Fields("order shipped customer warehouse pending invoice payment failed retry accepted queue worker latency region timeout the of and")
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "{\"id\":%d,\"event\":\"%s\",\"note\":\"%s %s %s\",\"amount\":%d.%02d}\n", rnd.Intn(1e9),
			words[rnd.Intn(len(words))], words[rnd.Intn(len(words))], words[rnd.Intn(len(words))], words[rnd.Intn(len(words))], rnd.Intn(1000), rnd.Intn(100))
	}
	return b[:n]
}
