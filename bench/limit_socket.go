package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
)

func init() {
	register(system{name: "limit:socket", relaxed: "a record sent through a unix socket to another process, which answers with a byte",
		open: openLimitSocket})
	helpers["echo"] = echo
}

type limitSocket struct {
	c   net.Conn
	h   *helper
	dir string
	one [1]byte
}

func openLimitSocket(c config) (store, error) {
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	s := &limitSocket{dir: dir}
	sock := filepath.Join(dir, "s")
	if s.h, err = startHelper(spec{Phase: "echo", Args: []string{sock}}); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if s.c, err = net.Dial("unix", sock); err != nil {
		return nil, errors.Join(err, s.h.stop(), os.RemoveAll(dir))
	}
	return s, nil
}

func (s *limitSocket) Append(body []byte) error {
	if _, err := s.c.Write(body); err != nil {
		return err
	}
	_, err := io.ReadFull(s.c, s.one[:])
	return err
}

func (s *limitSocket) Ping() error { return s.Append(make([]byte, 16)) }

func (s *limitSocket) Close() error {
	return errors.Join(s.c.Close(), s.h.stop(), os.RemoveAll(s.dir))
}

// echo answers everything that arrives in one piece with one byte.
func echo(sp *spec) error {
	l, err := net.Listen("unix", sp.Args[0])
	if err != nil {
		return err
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(buf[:1]); err != nil {
				return
			}
		}
	}()
	<-untilStopped().Done()
	return l.Close()
}
