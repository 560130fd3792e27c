package wal

import (
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/internal/xxh"
	"github.com/pipeproc/pipeproc/vfs"
)

// The file mark is the log's witness: it says how far the log goes from somewhere
// else than the log, so that a log whose end is missing is not taken for a short
// one. Nobody syncs it. It is 4096 bytes long and holds four records of 64 bytes,
// at these offsets, so that no two of them share a sector:
//
//	 512 1024   the leader's, written in turns
//	1536 2048   those of syncs, written in turns
//
//	 0    8  position of the newest frame that is about to be acknowledged, 0 = none
//	 8    8  number of the file with that frame
//	16    8  sum of its header, the one at offset 48
//	24    8  highest position known durable
//	32    8  boot: a hash of the name of this running of the machine, 0 = unknown
//	40    8  generation of the file that names this log (STORE), as far as durable
//	48    8  epoch
//	56    8  sum of the words at 0, 16 and 24, and of the sum of the others: that of
//	         those at 8, 32, 40 and 48, and of the seed
//
// The seed is the sum of "mark" and the store id. A record whose sum is wrong is
// none: a torn, missing or older mark is less knowledge and no damage.
const (
	MarkName = "mark" // of the file in the log's directory
	markSize = 4096
	markStep = 512 // from one record to the next; the first one is there
)

// mark is one record.
type mark struct {
	position   uint64
	number     uint64
	sum        uint64
	durable    uint64
	boot       uint64
	generation uint64
	epoch      uint64
}

// put stores r with its sum, of which the words that change seldom give rest.
func (r *mark) put(b []byte, rest uint64) {
	_ = b[63]
	le.PutUint64(b, r.position)
	le.PutUint64(b[8:], r.number)
	le.PutUint64(b[16:], r.sum)
	le.PutUint64(b[24:], r.durable)
	le.PutUint64(b[32:], r.boot)
	le.PutUint64(b[40:], r.generation)
	le.PutUint64(b[48:], r.epoch)
	le.PutUint64(b[56:], r.seal(rest))
}

func (r *mark) seal(rest uint64) uint64 { return xxh.Sum32(r.position, r.sum, r.durable, rest) }

func (r *mark) rest(seed uint64) uint64 {
	return xxh.Sum56(r.number, r.boot, r.generation, r.epoch, seed, 0, 0)
}

// parseMark decodes the record at the start of b, which is 64 bytes long.
func parseMark(b []byte, seed uint64) (r mark, ok bool) {
	r = mark{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])}
	return r, r.seal(r.rest(seed)) == le.Uint64(b[56:]) && !mutate.SkipMark
}

func markSeed(store [16]byte) uint64 {
	b := append([]byte(MarkName), store[:]...)
	return xxhash.Sum64(b)
}

// readMark returns the valid records of the mark in dir. That it cannot be read is
// less knowledge, like everything else that may be wrong with it.
func readMark(fsys vfs.FS, dir string, store [16]byte) []mark {
	f, err := fsys.Open(path.Join(dir, MarkName), vfs.Read)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, markSize)
	if n, err := f.ReadAt(b, 0); n < markSize || err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	var all []mark
	for off := markStep; off <= 4*markStep; off += markStep {
		if r, ok := parseMark(b[off:off+64], markSeed(store)); ok {
			all = append(all, r)
		}
	}
	return all
}

// markFile is a mark that is being written.
type markFile struct {
	f    vfs.File
	m    vfs.Mapping // nil: written with WriteAt
	data []byte      // of m
	seed uint64
	// Each is used by one goroutine at a time: the leader, and whoever holds
	// Log.syncMu.
	leader, syncs markWriter
}

// markWriter writes two records in turns.
type markWriter struct {
	to    *markFile
	off   int64 // of the first
	odd   bool
	rec   mark
	rest  uint64   // of rec; see mark.put
	buf   [64]byte // if there is no mapping
	guard func()   // w.store, allocated once
	err   error    // nothing more is written
}

// openMark opens the mark of a log, or makes it. If there is no room for it, or
// nothing may be written, the log has none.
func openMark(cfg *Config) (*markFile, error) {
	f, err := cfg.FS.Open(path.Join(cfg.Dir, MarkName), vfs.Create)
	if err == nil {
		if err = f.Preallocate(markSize); err != nil {
			_ = f.Close()
		}
	}
	if vfs.NoSpace(err) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k := &markFile{f: f, seed: markSeed(cfg.Store)}
	k.leader = markWriter{to: k, off: markStep}
	k.syncs = markWriter{to: k, off: 3 * markStep}
	for _, w := range []*markWriter{&k.leader, &k.syncs} {
		w.rec.epoch, w.guard = cfg.Epoch, w.store
	}
	k.leader.rec.boot = cfg.Boot
	k.leader.seldom()
	k.syncs.seldom()
	if mapsFreely {
		if m, err := f.Map(markSize, true); err == nil { // else it is written
			k.m, k.data = m, m.Bytes()
		}
	}
	return k, nil
}

// write stores the record. An error ends it: the older record stays, which is true.
func (w *markWriter) write() {
	if w.err != nil {
		return
	}
	if k := w.to; k.m != nil {
		w.err = vfs.Guard(k.m, w.guard)
	} else {
		w.rec.put(w.buf[:], w.rest)
		_, w.err = k.f.WriteAt(w.buf[:], w.turn())
	}
}

// store is the part of write that touches mapped memory.
func (w *markWriter) store() { w.rec.put(w.to.data[w.turn():], w.rest) }

// seldom follows a change of one of the words that change seldom.
func (w *markWriter) seldom() { w.rest = w.rec.rest(w.to.seed) }

// turn returns where the record goes this time: not over the one before.
func (w *markWriter) turn() int64 {
	w.odd = !w.odd
	if w.odd {
		return w.off + markStep
	}
	return w.off
}

func (k *markFile) close() {
	if k == nil {
		return
	}
	if k.m != nil {
		_ = k.m.Close()
	}
	_ = k.f.Close()
}

// Acknowledge notes that everything appended so far is about to be acknowledged.
// Only the leader may call it, after a sync, if there is one, has returned.
func (l *Log) Acknowledge() {
	if l.mark != nil {
		l.fillMark().write()
	}
}

// fillMark brings the leader's record up to date.
func (l *Log) fillMark() *markWriter {
	w := &l.mark.leader
	r := &w.rec
	r.position, r.sum, r.durable = l.position.Load(), l.lastSum, l.durable.Load()
	if r.number != l.cur.number {
		r.number = l.cur.number
		w.seldom()
	}
	return w
}

// Named notes the generation of the file that names this log, once that is
// durable. Only the leader may call it.
func (l *Log) Named(generation uint64) {
	if l.mark != nil {
		l.mark.leader.rec.generation = generation
		l.mark.leader.seldom()
		l.mark.leader.write()
	}
}

// noteDurable notes the position that a sync has reached. syncMu is held.
func (l *Log) noteDurable(position uint64) {
	if k := l.mark; k != nil {
		k.syncs.rec.durable = position
		k.syncs.write()
	}
}
