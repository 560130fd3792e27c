package engine

import (
	"errors"
	"fmt"
	"io"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// The WAL names topics by their number. If the snapshot that had a topic's name is
// damaged, the records that are in the WAL are kept all the same.

// nameless makes the topic with the given number, for records of the WAL whose topic
// the snapshot has lost. Its name is that in the snapshot before, or a new one. It
// reports whether there is such a topic now.
func (r *repairer) nameless(id uint64) bool {
	if r.names == nil {
		r.names = r.olderNames()
	}
	reg := r.e.reg
	m := segment.Meta{Store: r.e.store.ID, Topic: id, Name: r.names[id]}
	if m.Name == "" || !reg.Lost(m) {
		m.Name = fmt.Sprintf("recovered-%d", id)
	}
	for i := 2; !reg.Lost(m); i++ {
		m.Name = fmt.Sprintf("recovered-%d-%d", id, i)
	}
	t, err := reg.RestoreLost(m)
	if err != nil {
		return false
	}
	t.SkipNumbers(r.segments[id])
	r.did("topic %q, which the snapshot has lost: kept its records that are in the write-ahead log", m.Name)
	r.lost(m.Name, 0, 0, fmt.Sprintf("all that only the damaged snapshot had of topic number %d: earlier records, options, perhaps its name", id))
	return true
}

// olderNames returns the names of topics by their number, as far as the snapshot
// before the present one has them.
func (r *repairer) olderNames() map[uint64]string {
	names := make(map[uint64]string)
	f, err := r.e.fs.Open(snapName(r.e.store.Checkpoint+1), vfs.Read)
	if err != nil {
		return names
	}
	defer f.Close()
	b := make([]byte, snapHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return names
	}
	h, err := parseSnapHead(b[:n])
	if err != nil || h.Store != r.e.store.ID {
		return names
	}
	s, err := newSnapReader(f, f.Name(), h)
	if err != nil {
		return names
	}
	for {
		kind, payload, skip, err := s.next()
		if err != nil && !skip || err == nil && kind == 0 {
			return names
		}
		if err != nil || kind != secTopic {
			continue
		}
		d := enc.Reader{B: payload}
		id := d.Uvarint()
		name := string(d.Bytes())
		if d.Err == nil && record.CheckName(name) == nil {
			names[id] = name
		}
	}
}
