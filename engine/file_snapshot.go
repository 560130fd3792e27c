package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// A snapshot is the state of all machines at one position. There are two files,
// snapshot-0 and snapshot-1. Checkpoint n writes number n&1, so that the latest durable
// snapshot is never overwritten. Both files keep their space.
//
//	header, 128 bytes
//	  0  magic "PPSNAPSH" | u16 version 1 | u16 zero | u32 header size 128
//	 16  store id, 16 bytes
//	 32  u64 checkpoint number | u64 position | u64 epoch | u64 WAL file number
//	 64  u64 number of sections | u64 length of all, header included
//	 80  u64 feature flags, as in STORE
//	 88  u64 sum of the sections: xxhash64 of bytes 16 to 31 of all of them, in order; 0 = unknown
//	    zero up to
//	120  u64 xxhash64 of bytes 0 to 119
//	sections, back to back
//	  0  u32 kind | u32 zero | u64 length
//	 16  u64 xxhash64 of the payload
//	 24  u64 xxhash64 of (bytes 0 to 23, checkpoint number, offset in the file)
//	 32  payload
//
// Each section has checksums of its own, so that damage costs one topic: after a damaged
// head the reader searches for the next head that is valid at its offset. Payloads are
// described where they are written: topics/snapshot.go, procstate and gcprune, whose
// sections have the payloads of their operations, and once.
const (
	snapMagic   = "PPSNAPSH"
	snapHeader  = 128
	snapSection = 32
	snapSpace   = 64 << 10 // smallest size of a snapshot file
	maxSection  = 13       // highest kind
)

// Section kinds.
const (
	secRegistry = 1
	secTopic    = 2
	secProcs    = 3
	secProc     = 4
	secSystem   = 5
	secPolicy   = 6
	secClient   = 7
	secKept     = 13 // with featureIsolated
)

type snapHead struct {
	Store    [16]byte
	Number   uint64
	Position uint64
	Epoch    uint64
	WAL      uint64
	Sections uint64
	Length   uint64
	Features uint64
	All      uint64 // sum of the sections, 0 if unknown
	Sum      uint64
}

func snapName(number uint64) string {
	if mutate.OneSnapshot {
		number = 0
	}
	return fmt.Sprintf("snapshot-%d", number&1)
}

func (h *snapHead) encode() []byte {
	b := make([]byte, snapHeader)
	le := binary.LittleEndian
	copy(b, snapMagic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint32(b[12:], snapHeader)
	copy(b[16:], h.Store[:])
	for i, v := range []uint64{h.Number, h.Position, h.Epoch, h.WAL, h.Sections, h.Length, h.Features} {
		le.PutUint64(b[32+8*i:], v)
	}
	le.PutUint64(b[88:], h.All)
	h.Sum = xxhash.Sum64(b[:120])
	le.PutUint64(b[120:], h.Sum)
	return b
}

func parseSnapHead(b []byte) (snapHead, error) {
	var h snapHead
	le := binary.LittleEndian
	if len(b) < snapHeader {
		return h, errors.New("cut short")
	}
	if string(b[:8]) != snapMagic {
		return h, errors.New("wrong magic")
	}
	h.Sum = le.Uint64(b[120:])
	if h.Sum != xxhash.Sum64(b[:120]) && !mutate.SkipSnapshotSum {
		return h, errors.New("header checksum mismatch")
	}
	if v := le.Uint16(b[8:]); v != formatVersion {
		return h, errs.Version.With(fmt.Sprintf("snapshot of format version %d", v))
	}
	copy(h.Store[:], b[16:])
	h.Number, h.Position, h.Epoch = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	h.WAL, h.Sections, h.Length = le.Uint64(b[56:]), le.Uint64(b[64:]), le.Uint64(b[72:])
	h.Features = le.Uint64(b[80:])
	h.All = le.Uint64(b[88:])
	return h, checkFeatures(h.Features)
}

// sectionSum returns the checksum of a section's head at offset off.
func sectionSum(head []byte, number uint64, off int64) uint64 {
	var b [40]byte
	copy(b[:24], head[:24])
	binary.LittleEndian.PutUint64(b[24:], number)
	binary.LittleEndian.PutUint64(b[32:], uint64(off))
	return xxhash.Sum64(b[:])
}

// snapWriter writes a snapshot file section by section.
type snapWriter struct {
	head snapHead
	buf  []byte
	f    vfs.File
	off  int64
	all  xxhash.Digest // of the sections' sums
	err  error
}

// section appends a section. fill appends the payload to dst.
func (w *snapWriter) section(kind uint32, fill func(dst []byte) []byte) {
	start := len(w.buf)
	w.buf = append(w.buf, make([]byte, snapSection)...)
	w.buf = fill(w.buf)
	b := w.buf[start:]
	binary.LittleEndian.PutUint32(b, kind)
	binary.LittleEndian.PutUint64(b[8:], uint64(len(b)-snapSection))
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[snapSection:]))
	binary.LittleEndian.PutUint64(b[24:], sectionSum(b, w.head.Number, w.off+int64(start)))
	_, _ = w.all.Write(b[16:32])
	w.head.Sections++
	if len(w.buf) >= 1<<20 {
		w.flush()
	}
}

func (w *snapWriter) flush() {
	if w.err == nil && len(w.buf) > 0 {
		if w.err = w.f.Preallocate(w.off + int64(len(w.buf))); w.err == nil {
			_, w.err = w.f.WriteAt(w.buf, w.off)
		}
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
}

// settle makes the sections durable before the header is written: until STORE is there
// again, an intact header is all that says that a snapshot is whole.
func (w *snapWriter) settle() {
	w.flush()
	if w.err != nil {
		return
	}
	if err := w.f.Sync(); err != nil {
		w.err = &syncError{err}
	}
}

// writeSnapshot writes and syncs the snapshot file of head.Number and returns
// its header with length and checksum set. fill adds the sections.
func writeSnapshot(fsys vfs.FS, head snapHead, fill func(*snapWriter)) (snapHead, error) {
	name := snapName(head.Number)
	f, err := fsys.Open(name, vfs.Create)
	if err != nil {
		return head, fmt.Errorf("snapshot: %w", err)
	}
	w := &snapWriter{head: head, f: f, off: snapHeader}
	w.all.Reset()
	if w.err = f.Preallocate(snapSpace); w.err == nil {
		fill(w)
		w.flush()
	}
	if w.err == nil {
		w.head.Length = uint64(w.off)
		if !mutate.SkipSectionsSum {
			w.head.All = max(w.all.Sum64(), 1)
		}
		_, w.err = f.WriteAt(w.head.encode(), 0)
	}
	if w.err != nil {
		_ = f.Close()
		return w.head, fmt.Errorf("writing %s: %w", snapName(head.Number), w.err)
	}
	if !mutate.SkipSnapshotSync {
		if err := f.Sync(); err != nil {
			_ = f.Close()
			return w.head, &syncError{fmt.Errorf("syncing %s: %w", snapName(head.Number), err)}
		}
	}
	return w.head, f.Close()
}

// snapReader reads the sections of a snapshot file in order.
type snapReader struct {
	head snapHead
	f    vfs.File
	name string
	off  int64
	left uint64 // sections not read yet
	lost bool   // an unknown number of sections was skipped
	all  xxhash.Digest

	size   int64 // of the file
	win    []byte
	winOff int64
}

// snapWindow is how much of a snapshot is read at once, in bytes.
const snapWindow = 256 << 10

// openSnapshot opens the snapshot that the STORE file refers to. A damaged header is a
// *CorruptError.
func openSnapshot(fsys vfs.FS, st *storeState) (*snapReader, error) {
	name := snapName(st.Checkpoint)
	corrupt := func(what string, err error) error {
		return &errs.CorruptError{File: name, Offset: 0, What: what, Err: err}
	}
	f, err := fsys.Open(name, vfs.Read)
	if err != nil {
		if errors.Is(err, errNotExist) {
			return nil, corrupt("the snapshot file is missing", nil)
		}
		if info, serr := fsys.Stat(name); serr == nil && !info.Regular {
			return nil, corrupt("it is not a regular file; move it away and run 'pipeproc repair'", nil)
		}
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	b := make([]byte, snapHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		_ = f.Close()
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	h, err := parseSnapHead(b[:n])
	switch {
	case errors.Is(err, errs.Version):
	case err != nil:
		err = corrupt("header", err)
	case h.Store != st.ID:
		err = corrupt("it belongs to another store", nil)
	case mutate.SkipSnapshotMatch:
	case h.Number != st.Checkpoint || h.Length != st.SnapLen || h.Sum != st.SnapSum || h.Position != st.Position:
		err = corrupt(fmt.Sprintf("it is checkpoint %d, the store is at %d", h.Number, st.Checkpoint), nil)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r, err := newSnapReader(f, name, h)
	if err != nil {
		_ = f.Close()
	}
	return r, err
}

func newSnapReader(f vfs.File, name string, h snapHead) (*snapReader, error) {
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r := &snapReader{head: h, f: f, name: name, off: snapHeader, left: h.Sections, size: size}
	r.all.Reset()
	return r, nil
}

func (r *snapReader) close() { _ = r.f.Close() }

// next returns the next section, or kind 0 at the end. The payload is valid until the
// next call. Damage is a *CorruptError. If skip is true, the reader has moved past the
// damage and next may be called again.
func (r *snapReader) next() (kind uint32, payload []byte, skip bool, err error) {
	rest := int64(r.head.Length) - r.off
	if rest == 0 {
		if r.left != 0 && !r.lost {
			r.lost = true
			return 0, nil, true, r.corrupt(r.off, "sections are missing", nil)
		}
		if r.head.All != 0 && !r.lost && max(r.all.Sum64(), 1) != r.head.All && !mutate.SkipSectionsSum {
			r.lost = true // said once
			return 0, nil, true, r.corrupt(0, "the sections are not those that it was written with", nil)
		}
		return 0, nil, false, nil
	}
	if rest < snapSection {
		return 0, nil, false, r.corrupt(r.off, "sections are missing", nil)
	}
	head, err := r.read(r.off, snapSection)
	if err != nil {
		return 0, nil, false, err
	}
	if !r.valid(head, r.off) {
		off := r.off
		if err := r.resync(); err != nil {
			return 0, nil, false, err
		}
		return 0, nil, true, r.corrupt(off, "section head", nil)
	}
	n := binary.LittleEndian.Uint64(head[8:])
	if n > uint64(rest-snapSection) {
		return 0, nil, false, r.corrupt(r.off, "a section reaches beyond the end", nil)
	}
	all, err := r.read(r.off, snapSection+int64(n))
	if err != nil {
		return 0, nil, false, err
	}
	head, payload = all[:snapSection], all[snapSection:]
	off := r.off
	r.off += snapSection + int64(n)
	r.left--
	_, _ = r.all.Write(head[16:32])
	if xxhash.Sum64(payload) != binary.LittleEndian.Uint64(head[16:]) && !mutate.SkipSnapshotSum {
		return 0, nil, true, r.corrupt(off, "section checksum mismatch", nil)
	}
	return binary.LittleEndian.Uint32(head), payload, false, nil
}

// valid reports whether head is that of a section at off.
func (r *snapReader) valid(head []byte, off int64) bool {
	return mutate.SkipSnapshotSum || sectionSum(head, r.head.Number, off) == binary.LittleEndian.Uint64(head[24:])
}

// resync moves to the next valid head after a damaged one, or to the end.
func (r *snapReader) resync() error {
	r.lost = true
	b, err := r.read(r.off, max(min(r.size, int64(r.head.Length))-r.off, 0))
	if err != nil {
		return err
	}
	for i := 1; i+snapSection <= len(b); i++ {
		h := b[i : i+snapSection]
		kind := binary.LittleEndian.Uint64(h) // and the zero after it
		if kind >= 1 && kind <= maxSection && r.valid(h, r.off+int64(i)) {
			r.off += int64(i)
			return nil
		}
	}
	r.off = int64(r.head.Length)
	return nil
}

// read returns n bytes at off, which are valid until the next call.
func (r *snapReader) read(off, n int64) ([]byte, error) {
	if off+n > r.size {
		return nil, r.corrupt(off, "the file ends before its sections", nil)
	}
	if i := off - r.winOff; i >= 0 && i+n <= int64(len(r.win)) {
		return r.win[i : i+n : i+n], nil
	}
	if n > math.MaxInt>>2 { // as one piece, in a process of 32 bits
		return nil, fmt.Errorf("reading %s: a section of %d bytes: %w", r.name, n, syscall.ENOMEM)
	}
	want := min(max(n, snapWindow), r.size-off)
	if int64(cap(r.win)) < want {
		r.win = make([]byte, want)
	}
	r.win, r.winOff = r.win[:want], off
	got, err := r.f.ReadAt(r.win, off)
	r.win = r.win[:got]
	switch {
	case int64(got) >= n:
		return r.win[:n:n], nil
	case err == nil || errors.Is(err, io.EOF):
		return nil, r.corrupt(off, "the file ends before its sections", nil)
	}
	return nil, fmt.Errorf("reading %s: %w", r.name, err)
}

func (r *snapReader) corrupt(off int64, what string, err error) error {
	return &errs.CorruptError{File: r.name, Offset: off, What: what, Err: err}
}
