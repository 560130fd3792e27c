package topics

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/segment"
)

// Bounds of what a scan decompresses ahead.
const (
	unpackAfter = 4       // compressed blocks in a row before it begins
	unpackMin   = 16      // blocks that must be left then, about
	unpackSlots = 16      // blocks ahead, at most
	unpackBytes = 1 << 20 // raw bytes ahead, about
)

// States of an unpackJob. The goroutine that moves it on from jobWaiting
// decompresses it.
const (
	jobEmpty   int32 = iota // holds no block
	jobWaiting              // holds a block that is not begun
	jobTaken                // is being decompressed
	jobAwaited              // the same, and the cursor sleeps until it is done
	jobDone                 // decompressed, or failed
)

// unpackJob is one block ahead of a cursor. The cursor fills and consumes it; in
// between, the goroutine that has taken it owns it.
type unpackJob struct {
	state  atomic.Int32
	head   segment.Header
	off    int64
	stored []byte // verified
	raw    []byte
	err    error
}

// unpacker decompresses blocks before a cursor needs them, on another processor:
// that is nearly all the time of a scan. Only the cursor reads and verifies, and it
// alone handles anything but a plain run of good blocks: the unpacker ends there. A
// block that fails here is decompressed again by the cursor, which reports the
// error. The cursor takes blocks from the front and decompresses those that are not
// begun; a helper goroutine takes them from the back. The helper runs only while
// there is work, so a cursor that is never closed leaks none.
type unpacker struct {
	codecs *segment.Codecs
	ring   [unpackSlots]unpackJob
	front  uint64        // number of the cursor's next block
	back   atomic.Uint64 // number after the last block; stored by the cursor
	bytes  int           // raw bytes in [front, back)
	// Position and sequence of the block after the last one.
	s    *seg
	off  int64
	next uint64

	helping atomic.Bool
	stop    atomic.Bool
	help    sync.WaitGroup
	run     func()        // work, allocated once
	done    chan struct{} // wakes the cursor that awaits a block
}

func (a *unpacker) job(n uint64) *unpackJob { return &a.ring[n%unpackSlots] }

// nextUnpacked enters the block that holds c.next if it is decompressed ahead. No
// block of c may be in use.
func (c *Cursor) nextUnpacked() bool {
	a := c.unpacker
	if a == nil {
		if c.compressedRun < unpackAfter || c.r.readSize == seekRead || c.end-c.next < unpackMin*uint64(c.head.Count) || runtime.GOMAXPROCS(0) < 2 {
			return false
		}
		a = &unpacker{codecs: c.codecs, done: make(chan struct{}, 1)}
		a.run = a.work
		c.unpacker = a
	}
	if a.back.Load()-a.front <= unpackSlots/2 {
		a.fill(c)
	}
	if a.front == a.back.Load() {
		return false
	}
	u := a.job(a.front)
	if a.s != c.s || u.off != c.off || u.head.Base != c.next { // the cursor has moved elsewhere
		c.stopUnpacker()
		return false
	}
	a.wait(u)
	if u.err != nil {
		c.stopUnpacker()
		return false
	}
	a.front++
	a.bytes -= int(u.head.Raw)
	c.head, c.off = u.head, u.off+u.head.Size()
	c.recs = segment.NewRecords(u.head, u.raw)
	c.inBlock = true
	return true
}

// fill reads more blocks, from the last one or the cursor's position on, and starts
// the helper if it is not running.
func (a *unpacker) fill(c *Cursor) {
	back := a.back.Load()
	if a.front == back {
		a.s, a.off, a.next = c.s, c.off, c.next
	}
	if a.s == nil {
		return
	}
	for back-a.front < unpackSlots && a.bytes < unpackBytes && a.next < c.end && a.off < a.s.end.Load() {
		var h segment.Header
		body, err := c.r.block(a.s, a.off, &h)
		if err != nil || h.Codec == segment.None || h.Base != a.next || h.Raw > unpackBytes/4 {
			break
		}
		u := a.job(back)
		u.head, u.off, u.err = h, a.off, nil
		u.stored = append(u.stored[:0], body...)
		u.state.Store(jobWaiting)
		back++
		a.back.Store(back)
		a.bytes += int(h.Raw)
		a.off, a.next = a.off+h.Size(), h.Next()
	}
	if back-a.front > 1 && !a.helping.Swap(true) {
		a.help.Add(1)
		go a.run()
	}
}

// work decompresses blocks, the last ones first, so that it does not compete with
// the cursor until no other block is left.
func (a *unpacker) work() {
	defer a.help.Done()
	defer a.helping.Store(false)
	for n := a.back.Load(); n > 0 && !a.stop.Load(); {
		n--
		u := a.job(n)
		if u.state.Load() == jobWaiting && u.state.CompareAndSwap(jobWaiting, jobTaken) {
			a.unpack(u)
			n = a.back.Load()
		} else if a.back.Load()-n >= unpackSlots {
			return
		}
	}
}

func (a *unpacker) unpack(u *unpackJob) {
	u.raw, u.err = a.codecs.Decompress(u.raw[:0], u.stored, u.head.Raw)
	if u.state.Swap(jobDone) == jobAwaited {
		a.done <- struct{}{}
	}
}

// wait returns once u is decompressed, by itself if the helper has not begun.
func (a *unpacker) wait(u *unpackJob) {
	if u.state.CompareAndSwap(jobWaiting, jobTaken) {
		a.unpack(u)
	} else if u.state.CompareAndSwap(jobTaken, jobAwaited) {
		<-a.done
	}
}

// stopUnpacker drops the blocks that are decompressed ahead. The helper has ended
// when it returns.
func (c *Cursor) stopUnpacker() {
	if c.unpacker != nil {
		c.unpacker.stop.Store(true)
		c.unpacker.help.Wait()
		c.unpacker, c.compressedRun = nil, 0
	}
}
