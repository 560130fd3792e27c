package xxh

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var w [8]uint64
		var b []byte
		for i := range w {
			w[i] = rnd.Uint64() >> rnd.IntN(64)
			b = binary.LittleEndian.AppendUint64(b, w[i])
		}
		if got, want := Sum32(w[0], w[1], w[2], w[3]), xxhash.Sum64(b[:32]); got != want {
			t.Fatalf("Sum32 = %#x, want %#x", got, want)
		}
		if got, want := Sum56(w[0], w[1], w[2], w[3], w[4], w[5], w[6]), xxhash.Sum64(b[:56]); got != want {
			t.Fatalf("Sum56 = %#x, want %#x", got, want)
		}
		if got, want := Sum64(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]), xxhash.Sum64(b); got != want {
			t.Fatalf("Sum64 = %#x, want %#x", got, want)
		}
	}
}
