package topics

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/segment"
)

// Bounds of what a scan unpacks ahead: after how many compressed blocks in a row
// it begins, how many must be to come then, how many it has at hand at most, and
// how many bytes in all.
const (
	unpackAfter = 4
	unpackMin   = 16
	unpackSlots = 16
	unpackBytes = 1 << 20
)

// States of an unpacking. Whoever moves it on from waiting unpacks it.
const (
	jobEmpty   int32 = iota // nothing in it
	jobWaiting              // has a block that nobody works on
	jobTaken                // somebody is at work
	jobAwaited              // the same, and the cursor sleeps until it is done
	jobDone                 // unpacked, or it failed
)

// unpackJob is one block ahead of a cursor. The cursor fills it and uses it up;
// in between it belongs to whoever has taken it.
type unpackJob struct {
	state  atomic.Int32
	head   segment.Header
	off    int64
	stored []byte // verified
	raw    []byte
	err    error
}

// ahead unpacks blocks before a cursor needs them, on another processor: nearly all
// the time of a scan goes into that. The cursor alone reads and verifies, and
// looks after whatever is not a plain run of good blocks: ahead ends where there
// is anything else, and what fails here is done again by the cursor, which says
// what it is. The cursor takes blocks from the front and unpacks those that
// nobody has begun; a helper comes from the back. The helper is there only while
// there is work, so a cursor that nobody closes leaves none behind.
type unpacker struct {
	codecs *segment.Codecs
	ring   [unpackSlots]unpackJob
	front  uint64        // number of the block that the cursor comes to next
	back   atomic.Uint64 // behind the last; stored by the cursor
	bytes  int           // raw bytes in [front, back)
	// Where the block behind the last one is.
	s    *seg
	off  int64
	next uint64

	helping atomic.Bool
	stop    atomic.Bool
	help    sync.WaitGroup
	run     func()        // work, as a value that is made once
	done    chan struct{} // to a cursor that wants a block
}

func (a *unpacker) job(n uint64) *unpackJob { return &a.ring[n%unpackSlots] }

// nextUnpacked enters the block that holds c.next if it is among those unpacked ahead.
// No block of c is in use.
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
	if a.s != c.s || u.off != c.off || u.head.Base != c.next { // the cursor went elsewhere
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

// fill reads on from the last block, or from where the cursor is, and calls for
// help.
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

// work unpacks blocks, the last ones first, so that it does not meet the cursor
// until nothing else is left to do.
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

// wait returns once u is unpacked.
func (a *unpacker) wait(u *unpackJob) {
	if u.state.CompareAndSwap(jobWaiting, jobTaken) {
		a.unpack(u)
	} else if u.state.CompareAndSwap(jobTaken, jobAwaited) {
		<-a.done
	}
}

// stopUnpacker lets go of what was unpacked ahead. The helper has gone when it returns.
func (c *Cursor) stopUnpacker() {
	if c.unpacker != nil {
		c.unpacker.stop.Store(true)
		c.unpacker.help.Wait()
		c.unpacker, c.compressedRun = nil, 0
	}
}
