package procstate

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/pipeproc/pipeproc/internal/enc"
)

// Captured is the state of all procs at the position of a checkpoint. A
// snapshot holds it in one section for the machine (next proc id), and one for
// each proc and each system proc, with the payloads that their operations have.
type Captured struct {
	Procs   []*State
	Systems []*System
	nextID  uint64
}

// Capture records the applied state. The caller must keep the leader from
// changing it meanwhile.
func (m *Machine) Capture() *Captured {
	c := &Captured{nextID: m.nextID}
	for _, p := range m.byID {
		if p.applied != nil {
			c.Procs = append(c.Procs, p.applied)
		}
	}
	for _, s := range m.systems {
		if s.applied != nil {
			c.Systems = append(c.Systems, s.applied)
		}
	}
	return c
}

// Sort orders what was captured, so that equal states make equal snapshots.
func (c *Captured) Sort() {
	slices.SortFunc(c.Procs, func(a, b *State) int { return cmp.Compare(a.Def.ID, b.Def.ID) })
	slices.SortFunc(c.Systems, func(a, b *System) int { return cmp.Compare(a.Name, b.Name) })
}

// AppendHead appends the machine's own payload.
func (c *Captured) AppendHead(dst []byte) []byte { return binary.AppendUvarint(dst, c.nextID) }

// AppendProc appends the payload of one proc.
func AppendProc(dst []byte, s *State) []byte { return appendProc(dst, s) }

// AppendSystem appends the payload of one system proc.
func AppendSystem(dst []byte, s *System) []byte { return appendSystem(dst, s) }

// RestoreHead restores the machine's own payload.
func (m *Machine) RestoreHead(b []byte) error {
	d := enc.Reader{B: b}
	next := d.Uvarint()
	if err := done(&d, nil); err != nil {
		return err
	}
	m.nextID = max(m.nextID, next)
	return nil
}
