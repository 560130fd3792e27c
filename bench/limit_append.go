package main

import (
	"os"

	"golang.org/x/sys/unix"
)

func init() {
	register(system{name: "limit:mmap", relaxed: "copy with checksum into a mapped, preallocated file; its page faults are paid, 4 MiB at a time",
		open: func(c config) (store, error) { return openLimitMmap(c, false) }})
	register(system{name: "limit:mmap-prefaulted", relaxed: "the same with the page faults paid before the clock runs",
		open: func(c config) (store, error) { return openLimitMmap(c, true) }})
	register(system{name: "limit:write", relaxed: "each batch framed with checksums in a buffer and written with one write to a preallocated file",
		open: openLimitWrite})
}

// limitMmap writes to a mapping.
type limitMmap struct {
	f       *os.File
	b       []byte
	at      int
	ready   int // populated up to here
	records uint64
}

const populateStep = 4 << 20

func openLimitMmap(c config, prefault bool) (store, error) {
	f, err := preallocate(limitPath(c), c.limitSize(), false)
	if err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(c.limitSize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, err
	}
	m := &limitMmap{f: f, b: b}
	if prefault {
		for m.ready < len(b) {
			if err := m.populate(); err != nil {
				m.Close()
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *limitMmap) populate() error {
	end := min(m.ready+populateStep, len(m.b))
	err := unix.Madvise(m.b[m.ready:end], unix.MADV_POPULATE_WRITE)
	m.ready = end
	return err
}

func (m *limitMmap) Append(body []byte) error {
	end := m.at + limitHeader + len(body)
	for end > m.ready {
		if err := m.populate(); err != nil {
			return err
		}
	}
	put(m.b[m.at:end], body, m.records)
	m.at = end
	m.records++
	return nil
}

func (m *limitMmap) AppendBatch(list [][]byte) error {
	for _, b := range list {
		if err := m.Append(b); err != nil {
			return err
		}
	}
	return nil
}

func (m *limitMmap) Close() error {
	err := unix.Munmap(m.b)
	if e := m.f.Close(); err == nil {
		err = e
	}
	return err
}

// limitWrite writes batches.
type limitWrite struct {
	f       *os.File
	buf     []byte
	records uint64
}

func openLimitWrite(c config) (store, error) {
	f, err := preallocate(limitPath(c), c.limitSize(), false)
	if err != nil {
		return nil, err
	}
	return &limitWrite{f: f}, nil
}

func (w *limitWrite) AppendBatch(list [][]byte) error {
	need := 0
	for _, b := range list {
		need += limitHeader + len(b)
	}
	if cap(w.buf) < need {
		w.buf = make([]byte, need)
	}
	buf := w.buf[:need]
	for _, b := range list {
		n := limitHeader + len(b)
		put(buf[:n], b, w.records)
		buf = buf[n:]
		w.records++
	}
	_, err := w.f.Write(w.buf[:need])
	return err
}

func (w *limitWrite) Close() error { return w.f.Close() }
