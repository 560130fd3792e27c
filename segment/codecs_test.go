package segment

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestCodecsRoundTrip(t *testing.T) {
	c := NewCodecs()
	defer c.Close()
	for _, n := range []int{1, 2, 100, 1023, 1024, 1025, 128 << 10, 128<<10 + 1, 1<<20 + 1, 5 << 20} {
		raw := bytes.Repeat([]byte("0123456789abcdef-"), n/17+1)[:n]
		packed := c.Compress(nil, raw)
		got, err := c.Decompress(nil, packed, uint32(n))
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes: %v", n, err)
		}
		for _, other := range []int{0, n - 1, n + 1, 2 * n, MaxRaw, MaxRaw + 1} {
			if other == n {
				continue
			}
			if _, err := c.Decompress(nil, packed, uint32(other)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes as %d: %v", n, other, err)
			}
		}
	}
}

func TestCodecsReuseBuffers(t *testing.T) {
	c := NewCodecs()
	defer c.Close()
	raw := bytes.Repeat([]byte("abc"), 1000)
	packBuf, rawBuf := make([]byte, 0, 1<<16), make([]byte, 5, 1<<16)
	packed := c.Compress(packBuf, raw)
	got, err := c.Decompress(rawBuf, packed, uint32(len(raw)))
	if err != nil || &packed[0] != &packBuf[:1][0] || &got[0] != &rawBuf[0] || cap(got) != cap(rawBuf) {
		t.Errorf("buffers not used: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() {
		packed = c.Compress(packed, raw)
		got, err = c.Decompress(got, packed, uint32(len(raw)))
	}); n > 1 { // the coder has pools, which the race detector empties at random
		t.Errorf("%v allocations", n)
	}
}

func TestCodecsConcurrently(t *testing.T) {
	c := NewCodecs()
	defer c.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			raw := bytes.Repeat([]byte{byte(g), 'x', 'y'}, 5000)
			for range 50 {
				got, err := c.Decompress(nil, c.Compress(nil, raw), uint32(len(raw)))
				if err != nil || !bytes.Equal(got, raw) {
					t.Error("differs", err)
				}
			}
		})
	}
	wg.Wait()
}

// TestBomb passes the decoder frames that claim or yield too much.
func TestBomb(t *testing.T) {
	c := NewCodecs()
	defer c.Close()
	zeros := make([]byte, 16<<20)
	bomb := c.Compress(nil, zeros)
	t.Logf("%d bytes for %d", len(bomb), len(zeros))

	// A frame that does not state its size.
	enc, _ := zstd.NewWriter(nil)
	var stream bytes.Buffer
	enc.Reset(&stream)
	for range 4 {
		_, _ = enc.Write(zeros[:1<<20])
	}
	_ = enc.Close()

	// A claim of 1 GiB by a few bytes: single segment, 8 bytes of size.
	claim := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0, 1, 0, 0}
	// Frames that state a small size and hold more, by trailing frames.
	double := slices.Concat(c.Compress(nil, zeros[:2000]), c.Compress(nil, zeros[:2000]))
	// A small size stated over big contents.
	lie := slices.Clone(bomb)
	copy(lie[4:], []byte{0xe0, 0xd0, 0x07, 0, 0, 0, 0, 0, 0}) // 2000
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0}, 1, 2, 3, 4)

	for name, f := range map[string]struct {
		frame  []byte
		rawLen uint32
	}{
		"bomb as small":     {bomb, 2000},
		"no size":           {stream.Bytes(), 4 << 20},
		"claim of 1 GiB":    {claim, MaxRaw},
		"claim beyond 1GiB": {claim, MaxRaw + 1},
		"two frames":        {double, 2000},
		"two frames, sum":   {double, 4000},
		"lie":               {lie, 2000},
		"skippable":         {skippable, 4},
		"nothing":           {nil, 0},
		"empty":             {[]byte{}, 10},
		"no frame":          {[]byte("certainly no frame"), 10},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Decompress(nil, f.frame, f.rawLen)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: allocated %d bytes", name, n)
		}
	}
}

func TestDamagedFrames(t *testing.T) {
	c := NewCodecs()
	defer c.Close()
	raw := bytes.Repeat([]byte("hello world, "), 50)
	packed := c.Compress(nil, raw)
	for n := range packed {
		if _, err := c.Decompress(nil, packed[:n], uint32(len(raw))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	for bit := range len(packed) * 8 { // some flips yield other bytes; none more, and none a panic
		b := slices.Clone(packed)
		b[bit/8] ^= 1 << (bit % 8)
		got, err := c.Decompress(nil, b, uint32(len(raw)))
		if err == nil && len(got) != len(raw) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("bit %d: %d bytes, %v", bit, len(got), err)
		}
	}
}
