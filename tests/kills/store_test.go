package kills

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// flipDir is the directory of stores in memory.
const flipDir = "store"

func flipOptions(fsys vfs.FS) *pipeproc.Options {
	return &pipeproc.Options{FS: fsys, WALSize: 64 << 10, Clock: stepClock(),
		Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

// fillStore writes a small store with a bit of everything: sealed, growing and
// carried segments, compression, keys and headers, a big record, a pruned topic,
// both snapshots, spare WAL files.
func fillStore(n *pipeproc.Node, rnd *rand.Rand) (*truth, error) {
	ctx := context.Background()
	tr := newTruth()
	if err := n.CreateTopic(ctx, "packed", pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd}); err != nil {
		return nil, err
	}
	var err error
	add := func(recs ...pipeproc.Record) {
		if err == nil {
			err = tr.commit(n, recs...)
		}
	}
	ckpt := func() {
		if err == nil {
			err = n.Checkpoint(ctx)
		}
	}
	many := func(topic string, count, size int) (recs []pipeproc.Record) {
		for i := range count {
			r := pipeproc.Record{Topic: topic, Body: randomBytes(rnd, rnd.IntN(2*size))}
			if i%7 == 3 {
				r.Key = randomBytes(rnd, 5)
			}
			if i%11 == 5 {
				r.Headers = []pipeproc.Header{{Name: "trace", Value: randomBytes(rnd, 8)}, {Name: "", Value: nil}}
			}
			recs = append(recs, r)
		}
		return recs
	}
	for i := range 8 {
		add(append(many("plain", 8, 90), many("pruned", 4, 500)...)...)
		text := fmt.Sprintf("compressible text %d ", i)
		var packed []pipeproc.Record
		for range 20 {
			packed = append(packed, pipeproc.Record{Topic: "packed", Body: []byte(strings.Repeat(text, 3+rnd.IntN(40)))})
		}
		add(packed...)
	}
	// A batch that does not fit any more seals a segment while it is small.
	add(pipeproc.Record{Topic: "plain", Body: randomBytes(rnd, 56<<10)}, pipeproc.Record{Topic: "pruned", Body: randomBytes(rnd, 50<<10)})
	ckpt()
	add(many("plain", 30, 300)...)
	add(pipeproc.Record{Topic: "plain", Body: randomBytes(rnd, 20<<10)})
	add(many("pruned", 30, 300)...)
	add(pipeproc.Record{Topic: "pruned", Body: randomBytes(rnd, 20<<10)})
	ckpt()
	if err == nil {
		err = n.Prune(ctx, "pruned", 35)
		tr.topics["pruned"].first = 35
	}
	add(many("few", 5, 40)...)
	ckpt()
	add(many("few", 5, 40)...)
	for range 4 {
		add(many("plain", 3, 60)...)
	}
	return tr, err
}

// layout says what counts in the files of a store that was closed cleanly.
type layout struct {
	im       image
	current  string // snapshot that STORE names
	snapLen  int64
	segments map[string]int64 // where the bytes that count end
	big      map[string][][2]int64
	pruned   map[string]int64 // where pruned blocks end
}

// bigBody is the size of a block's body from which on not every byte of it is
// flipped: one checksum covers all of them.
const bigBody = 4 << 10

func newLayout(im image, tr *truth) (*layout, error) {
	l := &layout{im: im, segments: map[string]int64{}, big: map[string][][2]int64{}, pruned: map[string]int64{}}
	st := im["STORE"]
	if len(st) < 4096 {
		return nil, fmt.Errorf("STORE has %d bytes", len(st))
	}
	l.current = fmt.Sprintf("snapshot-%d", binary.LittleEndian.Uint64(st[56:])&1)
	l.snapLen = int64(binary.LittleEndian.Uint64(st[88:]))
	for name, b := range im {
		if !strings.HasPrefix(name, "segments/") {
			continue
		}
		m, err := segment.ParseMeta(b[:segment.FileHeaderSize])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		off := int64(segment.FileHeaderSize)
		for {
			h, err := segment.ParseHeader(b[off:], m.Place(), off)
			if err != nil {
				break
			}
			if h.Stored > bigBody {
				l.big[name] = append(l.big[name], [2]int64{off + segment.HeaderSize, off + h.Size()})
			}
			off += h.Size()
			if t := tr.topics[m.Name]; t != nil && h.Next() <= t.first {
				l.pruned[name] = off
			}
		}
		l.segments[name] = off
		if _, err := segment.ParseFooter(b, int64(len(b)), m.Place()); err == nil {
			l.segments[name] = int64(len(b))
		}
	}
	return l, nil
}

// kind names the region that a byte lies in, and says whether it counts.
func (l *layout) kind(name string, off int64) (kind string, counts bool) {
	switch {
	case name == "LOCK":
		return "LOCK", false
	case name == "STORE":
		return "STORE", true
	case strings.HasPrefix(name, "wal/"):
		if off < 4096 {
			return "WAL header (void after a clean close)", false
		}
		return "WAL (void after a clean close)", false
	case name == l.current && off < l.snapLen:
		return "snapshot", true
	case name == l.current:
		return "snapshot, spare room", false
	case strings.HasPrefix(name, "snapshot-"):
		return "snapshot, not current", false
	case off >= l.segments[name]:
		return "growing segment, spare room", false
	case off >= segment.FileHeaderSize && off < l.pruned[name]:
		return "segment, pruned", false
	case l.segments[name] == int64(len(l.im[name])):
		if off < segment.FileHeaderSize {
			return "sealed segment, header", true
		}
		return "sealed segment", true
	case off < segment.FileHeaderSize:
		return "growing segment, header", true
	default:
		return "growing segment", true
	}
}

// stride is the distance of the bytes to flip in a region: dense where bytes
// count, wide where there are only zeroes or bytes that nobody reads.
func (l *layout) stride(name string, off int64) int64 {
	kind, counts := l.kind(name, off)
	wide := int64(1)
	if process.Race {
		wide = 31 // the run without the race detector does them all
	}
	for _, r := range l.big[name] {
		if off > r[0] && off < r[1] && !*flipAll {
			return min(17*wide, r[1]-off)
		}
	}
	switch {
	case counts:
		return wide
	case kind == "WAL header (void after a clean close)" && off%4096 < 128:
		return wide
	case *flipAll:
		return wide
	default:
		return 53 * wide
	}
}
