package program

import (
	"fmt"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/record"
)

// claim holds a process's answers to its current claim. Each process has one,
// whose memory is reused. It belongs to the reader of the process's stdout from
// begin to the answer of the last record, and to the goroutine that runs the
// claim before and after that; only offered is shared by both.
type claim struct {
	first   uint64       // n of the first record
	offered atomic.Int64 // records that were written or are being written
	left    int          // records without an answer
	answers []span       // of each record

	outs    []output
	bytes   []byte // bodies and keys of outs
	headers []record.Header
	topic   string // topic of the latest output that names one
	size    int    // counted towards Options.MaxOutput
	most    int    // Options.MaxOutput

	failed      int    // answers that are errors
	firstFailed int    // the first record, in order, whose answer is an error
	reason      string // its error text

	scan    scanner
	scratch []byte
}

// span is an answer: outs[from:to].
type span struct {
	from, to int
	done     bool
}

// output is a record in an answer. Its parts are claim.bytes[key:keyEnd],
// claim.headers[header:headerEnd] and claim.bytes[body:bodyEnd].
type output struct {
	topic             string // "": all output topics of the proc
	key, keyEnd       int
	header, headerEnd int
	body, bodyEnd     int
}

// overhead is how many bytes a record or header counts towards
// Options.MaxOutput besides its content: about the memory that it takes.
const overhead = 64

// keepBytes is how much memory of each kind, in bytes, is kept from claim to
// claim.
const keepBytes = 1 << 20

// begin prepares c for the answers to n records.
func (c *claim) begin(first uint64, n, most int) {
	c.first, c.left, c.most = first, n, most
	c.offered.Store(0)
	if n <= cap(c.answers) {
		c.answers = c.answers[:n]
		clear(c.answers)
	} else {
		c.answers = make([]span, n)
	}
	c.size, c.failed, c.firstFailed, c.reason = 0, 0, n, ""
}

// trim empties c and releases unusual amounts of memory.
func (c *claim) trim() {
	clear(c.headers)
	c.outs, c.bytes, c.headers = trimmed(c.outs, overhead), trimmed(c.bytes, 1), trimmed(c.headers, overhead)
	c.answers, c.scratch = trimmed(c.answers, 24), trimmed(c.scratch, 1)
	c.scan.stack, c.scan.key = trimmed(c.scan.stack, 1), trimmed(c.scan.key, 1)
	c.scan.b = nil
}

func trimmed[T any](s []T, size int) []T {
	if cap(s)*size > keepBytes {
		return nil
	}
	return s[:0]
}

// settle records the answer to n: outs[from:], or why it failed.
func (c *claim) settle(n uint64, from int, failed bool, reason []byte) error {
	i := n - c.first // huge if n is smaller
	switch {
	case i >= uint64(c.offered.Load()):
		return fmt.Errorf("it has answered n %d, which it was not asked", n)
	case c.answers[i].done:
		return fmt.Errorf("it has answered n %d twice", n)
	}
	c.answers[i] = span{from, len(c.outs), true}
	c.left--
	if failed {
		c.failed++
		if int(i) < c.firstFailed {
			c.firstFailed, c.reason = int(i), shorten(string(reason[:min(len(reason), 4*maxReason)]), maxReason)
		}
	}
	return nil
}

// maxReason bounds the text of a program's error answer, in bytes.
const maxReason = 1024

// charge counts n bytes of output and one overhead.
func (c *claim) charge(n int) error {
	if c.size += overhead + n; c.size > c.most {
		return fmt.Errorf("the output of one claim is larger than %d bytes", c.most)
	}
	return nil
}

// failure returns the error of a claim that was answered in full, nil for
// success.
func (c *claim) failure(recs []record.Record) error {
	if c.failed == 0 {
		return nil
	}
	text := c.reason
	if text == "" {
		text = "the program has failed it without a reason"
	}
	if c.failed > 1 {
		return fmt.Errorf("record %s: %s (and %d more have failed)", recs[c.firstFailed].ID, text, c.failed-1)
	}
	return fmt.Errorf("record %s: %s", recs[c.firstFailed].ID, text)
}
