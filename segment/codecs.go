package segment

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow is how far back a match may reach, in bytes. Blocks are seldom
	// larger, and every encoder keeps a history of about this size.
	zstdWindow = 1 << 20
	// A zstd frame is made of blocks of at least 3 bytes that yield at most
	// 128 KiB each. This bounds what a frame can claim before it is decoded.
	zstdBlockMin = 3
	zstdBlockMax = 128 << 10
	// zstdMargin is the space after the output, in bytes, that lets the decoder
	// copy 16 bytes at a time up to the end.
	zstdMargin = 16
)

// Codecs compresses and decompresses block bodies. It is safe for concurrent
// use. The coders are created when first needed.
type Codecs struct {
	encOnce, decOnce sync.Once
	// Methods of a zstd.Encoder and a Decoder: fields of these types would keep
	// their streams in every program.
	encode   func(raw, dst []byte) []byte
	decode   func(frame, dst []byte) ([]byte, error)
	closeDec func()
}

// NewCodecs returns a new set of coders.
func NewCodecs() *Codecs { return new(Codecs) }

func (c *Codecs) encoder() func(raw, dst []byte) []byte {
	c.encOnce.Do(func() { c.encode = newEncoder().EncodeAll })
	return c.encode
}

func (c *Codecs) decoder() func(frame, dst []byte) ([]byte, error) {
	c.decOnce.Do(func() {
		d := newDecoder()
		c.decode, c.closeDec = d.DecodeAll, d.Close
	})
	return c.decode
}

func newEncoder() *zstd.Encoder {
	// The frame needs no checksum: the block's covers its stored bytes. A single
	// segment has its content size stated, however small it is.
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true),
		zstd.WithWindowSize(zstdWindow))
	if err != nil {
		panic(err) // an option out of range, and they are constant
	}
	return enc
}

func newDecoder() *zstd.Decoder {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0), // as many as GOMAXPROCS
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxRaw),
		zstd.WithDecoderMaxWindow(MaxRaw), // of a single segment: its size
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // as above
	}
	return dec
}

// Close frees the decoder; an encoder without a stream has nothing to free. The
// set must not be in use, nor be used afterwards.
func (c *Codecs) Close() {
	if c.closeDec != nil {
		c.closeDec()
	}
}

// Compress returns raw as a zstd frame. It overwrites dst from its start if the
// capacity is enough; dst and raw must not overlap.
func (c *Codecs) Compress(dst, raw []byte) []byte {
	return c.encoder()(raw, dst[:0])
}

// Decompress returns the rawLen bytes of the zstd frame stored. It overwrites dst
// from its start if the capacity is enough; dst and stored must not overlap. It
// refuses a frame that would yield more or fewer bytes and, before allocating
// anything, one that cannot hold as many as it claims. Errors match ErrCorrupt.
func (c *Codecs) Decompress(dst, stored []byte, rawLen uint32) ([]byte, error) {
	if rawLen > MaxRaw || uint64(rawLen) > uint64(len(stored)/zstdBlockMin)*zstdBlockMax {
		return nil, errZstdLength
	}
	var fh zstd.Header
	if fh.Decode(stored[:min(len(stored), zstd.HeaderMaxSize)]) != nil ||
		fh.Skippable || !fh.HasFCS || fh.DictionaryID != 0 {
		return nil, errZstd
	}
	if fh.FrameContentSize != uint64(rawLen) {
		return nil, errZstdLength
	}
	room := int(rawLen) + zstdMargin
	if cap(dst) < room {
		dst = make([]byte, room)
	}
	dst = dst[:rawLen]
	// The limit on the capacity keeps the decoder from growing the buffer.
	out, err := c.decoder()(stored, dst[:0:room])
	if err != nil {
		return nil, errZstd
	}
	if len(out) != len(dst) {
		return nil, errZstdLength
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		return out, nil
	}
	return dst, nil // the same bytes, with dst's own capacity
}
