package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// accessFlag says what clients may do, by the names in their certificates.
type accessFlag struct {
	levels map[string]rpc.Access
	text   []string
}

var levelNames = map[string]rpc.Access{
	"read": rpc.AccessRead, "write": rpc.AccessWrite, "admin": rpc.AccessAll,
}

func (f *accessFlag) Set(s string) error {
	i := strings.LastIndexByte(s, '=')
	if i <= 0 {
		return errors.New("it must be NAME=LEVEL")
	}
	level, ok := levelNames[s[i+1:]]
	if !ok {
		return errors.New("the level must be read, write or admin")
	}
	if f.levels == nil {
		f.levels = make(map[string]rpc.Access)
	}
	f.levels[s[:i]] = level
	f.text = append(f.text, s)
	return nil
}

func (f *accessFlag) String() string { return strings.Join(f.text, ",") }
func (f *accessFlag) Type() string   { return "NAME=LEVEL" }

// access decides what a client may do; nil allows everything. A client gets the
// highest right of any of its names. Clients on a unix socket have no certificate
// and are the same user.
func (f *accessFlag) access() func(*transport.Peer) rpc.Access {
	if len(f.levels) == 0 {
		return nil
	}
	return func(p *transport.Peer) rpc.Access {
		if p.Transport == transport.SchemeUnix {
			return rpc.AccessAll
		}
		most := rpc.AccessNone
		for _, name := range p.CertNames {
			if level, ok := f.levels[name]; ok {
				most = max(most, level)
			}
		}
		return most
	}
}

// pathsFlag collects the paths of a repeated flag and makes them absolute.
type pathsFlag struct{ list []string }

func (f *pathsFlag) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	path, err := filepath.Abs(s)
	if err == nil {
		f.list = append(f.list, path)
	}
	return err
}

func (f *pathsFlag) String() string { return strings.Join(f.list, ",") }
func (f *pathsFlag) Type() string   { return "PATH" }
