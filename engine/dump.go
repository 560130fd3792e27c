package engine

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// Dump writes a file of a store as text, with the bodies of records if bodies is set.
// It recognizes the kind of file by its first bytes or its name. Damage is shown, not
// returned.
func Dump(w io.Writer, fsys vfs.FS, file string, bodies bool) error {
	f, err := fsys.Open(file, vfs.Read)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	magic := make([]byte, 8)
	n, err := f.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	name := path.Base(file)
	_, _, isSegment := segment.ParseFileName(name)
	switch m := string(magic[:n]); {
	case m == storeMagic || name == storeName:
		return dumpStore(w, f)
	case m == snapMagic || strings.HasPrefix(name, "snapshot-"):
		return dumpSnapshot(w, f)
	case strings.HasPrefix(m, "PPSEG") || isSegment:
		return segment.Dump(w, f, size, bodies)
	case strings.HasPrefix(m, "PPWAL") || strings.HasPrefix(name, "wal-"):
		return wal.Dump(w, f, size)
	}
	return fmt.Errorf("%s is no file of a pipeproc store: it begins with % x", file, magic[:n])
}

func dumpStore(w io.Writer, f vfs.File) error {
	b := make([]byte, 2*storePage)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for i := range 2 {
		s, err := parseStorePage(b[min(n, i*storePage):min(n, (i+1)*storePage)])
		if err != nil {
			fmt.Fprintf(w, "copy %d: BAD: %v\n", i, err)
			continue
		}
		fmt.Fprintf(w, "copy %d: store %x generation %d epoch %d\n", i, s.ID, s.Generation, s.Epoch)
		fmt.Fprintf(w, "        checkpoint %d at position %d, wal file %d, clean %v, wal absent %v\n", s.Checkpoint, s.Position, s.WAL, s.Clean, s.WALAbsent)
		fmt.Fprintf(w, "        snapshot of %d bytes, sum %016x, created %s\n", s.SnapLen, s.SnapSum, time.UnixMilli(s.CreatedTime).UTC().Format(time.RFC3339))
	}
	return nil
}

func dumpSnapshot(w io.Writer, f vfs.File) error {
	b := make([]byte, snapHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h, err := parseSnapHead(b[:n])
	if err != nil {
		_, err = fmt.Fprintf(w, "header: BAD: %v\n", err)
		return err
	}
	fmt.Fprintf(w, "snapshot of store %x: checkpoint %d at position %d, epoch %d, wal file %d, %d sections, %d bytes\n",
		h.Store, h.Number, h.Position, h.Epoch, h.WAL, h.Sections, h.Length)
	r, err := newSnapReader(f, path.Base(f.Name()), h)
	if err != nil {
		return err
	}
	for {
		off := r.off
		kind, payload, skip, err := r.next()
		switch {
		case err != nil:
			fmt.Fprintf(w, "section at %d: BAD: %v\n", off, err)
			if !skip {
				return nil
			}
		case kind == 0:
			return nil
		case kind == secTopic:
			d := enc.Reader{B: payload}
			id, name := d.Uvarint(), d.Bytes()
			fmt.Fprintf(w, "section at %d: topic %d %q, %d bytes\n", off, id, name, len(payload))
		case kind == secRegistry:
			d := enc.Reader{B: payload}
			next, floor := d.Uvarint(), d.Varint()
			fmt.Fprintf(w, "section at %d: registry, next topic id %d, time floor %d\n", off, next, floor)
		case kind == secProcs:
			d := enc.Reader{B: payload}
			fmt.Fprintf(w, "section at %d: procs, next id %d\n", off, d.Uvarint())
		case kind == secKept:
			d := enc.Reader{B: payload}
			id, number, at := d.Uvarint(), d.Uvarint(), d.Uvarint()
			fmt.Fprintf(w, "section at %d: kept blocks of topic %d, segment %d, offset %d, %d bytes\n", off, id, number, at, len(d.B))
		case kind == secProc, kind == secSystem, kind == secPolicy:
			fmt.Fprintf(w, "section at %d: %s\n", off, describe(kind, payload))
		case kind == secClient:
			id := payload[:min(len(once.Client{}), len(payload))]
			fmt.Fprintf(w, "section at %d: replies to client %x, %d bytes\n", off, id, len(payload))
		default:
			fmt.Fprintf(w, "section at %d: unknown kind %d, %d bytes\n", off, kind, len(payload))
		}
	}
}

// describe returns the text of a section about procs or retention.
func describe(kind uint32, payload []byte) string {
	if kind == secPolicy {
		topic, p, err := gcprune.DecodePolicy(payload)
		if err != nil {
			return "retention: BAD: " + err.Error()
		}
		return fmt.Sprintf("retention of topic %d: %+v", topic, p)
	}
	m := procstate.New(0)
	code := byte(procstate.OpProc)
	if kind == secSystem {
		code = procstate.OpSystem
	}
	if err := m.Decode(code, payload); err != nil {
		return "proc: BAD: " + err.Error()
	}
	m.Publish(nil)
	for _, s := range m.All() {
		return fmt.Sprintf("proc %d %q of topic %q, next %d, claims %v, disabled %v", s.Def.ID, s.Def.Name, s.Def.Topic, s.Next, s.Claims, s.Disabled)
	}
	return fmt.Sprintf("system proc %+v", *m.Systems()[0])
}
