package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// bodies are what is appended: random bytes, which do not compress, with the
// number of the record in the first eight.
type bodies struct {
	pool [][]byte
	next uint64
}

// poolSize is larger than a block of any system, so that none finds repeats.
const poolSize = 1024

func newBodies(size int) *bodies { return someBodies(size, poolSize, 1) }

func someBodies(size, count int, seed uint64) *bodies {
	r := rand.New(rand.NewPCG(seed, 7))
	b := &bodies{pool: make([][]byte, count)}
	for i := range b.pool {
		p := make([]byte, size)
		for k := 0; k+8 <= size; k += 8 {
			binary.LittleEndian.PutUint64(p[k:], r.Uint64())
		}
		b.pool[i] = p
	}
	return b
}

// one returns the next body. It is valid for a pool of calls.
func (b *bodies) one() []byte {
	p := b.pool[b.next%uint64(len(b.pool))]
	binary.LittleEndian.PutUint64(p, b.next)
	b.next++
	return p
}

// fill puts the next bodies into list.
func (b *bodies) fill(list [][]byte) {
	for i := range list {
		list[i] = b.one()
	}
}

// number returns the number of the record that a body belongs to.
func number(body []byte) uint64 { return binary.LittleEndian.Uint64(body) }

// checker counts records and checks that they are in order and intact.
type checker struct {
	next uint64
	size int
	err  error
}

func (c *checker) see(body []byte) {
	if (len(body) != c.size || number(body) != c.next) && c.err == nil {
		c.err = fmt.Errorf("record %d: %d bytes, or another record", c.next, len(body))
	}
	c.next++
}

func (c *checker) done(n int) error {
	if c.err == nil && c.next != uint64(n) {
		c.err = fmt.Errorf("%d records, not %d", c.next, n)
	}
	return c.err
}
