package main

import (
	"encoding/binary"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

func init() {
	register(system{name: "limit:read", relaxed: "plain reads of 1 MiB, every record's checksum verified",
		open: func(c config) (store, error) { return openLimitRead(c, false) }})
	register(system{name: "limit:mapped", relaxed: "the file mapped, every record's checksum verified",
		open: func(c config) (store, error) { return openLimitRead(c, true) }})
}

// limitRead reads what limitWrite wrote.
type limitRead struct {
	*limitWrite
	size int
	b    []byte // the mapping
}

func openLimitRead(c config, mapped bool) (store, error) {
	if _, err := os.Stat(limitPath(c)); err != nil { // the fill
		w, err := openLimitWrite(c)
		if err != nil {
			return nil, err
		}
		return &limitRead{limitWrite: w.(*limitWrite)}, nil
	}
	f, err := os.Open(limitPath(c))
	if err != nil {
		return nil, err
	}
	r := &limitRead{limitWrite: &limitWrite{f: f}, size: limitHeader + c.size}
	if !mapped {
		return r, nil
	}
	st, err := f.Stat()
	if err == nil {
		r.b, err = unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *limitRead) Close() error {
	var err error
	if r.b != nil {
		err = unix.Munmap(r.b)
	}
	if e := r.f.Close(); err == nil {
		err = e
	}
	return err
}

func (r *limitRead) Scan(fn func([]byte)) error {
	if r.b != nil {
		_, err := eachRecord(r.b, fn)
		return err
	}
	if _, err := r.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	have := 0
	for {
		n, err := r.f.Read(buf[have:])
		have += n
		used, e := eachRecord(buf[:have], fn)
		if e != nil {
			return e
		}
		have = copy(buf, buf[used:have])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// eachRecord hands out the whole records of b and returns their length.
func eachRecord(b []byte, fn func([]byte)) (int, error) {
	at := 0
	for len(b)-at >= limitHeader {
		end := at + limitHeader + int(binary.LittleEndian.Uint32(b[at:]))
		if end > len(b) {
			break
		}
		body, err := check(b[at:end])
		if err != nil {
			return at, err
		}
		fn(body)
		at = end
	}
	return at, nil
}

func (r *limitRead) Getter() func(uint64) ([]byte, error) {
	return func(i uint64) ([]byte, error) {
		return check(r.b[int(i)*r.size:])
	}
}
