package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// accessFlag says what clients may do, by the names in their certificates.
type accessFlag struct {
	levels map[string]pipeproc.Access
	text   []string
}

var levelNames = map[string]pipeproc.Access{
	"read": pipeproc.AccessRead, "write": pipeproc.AccessWrite, "admin": pipeproc.AccessAll,
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
		f.levels = make(map[string]pipeproc.Access)
	}
	f.levels[s[:i]] = level
	f.text = append(f.text, s)
	return nil
}

func (f *accessFlag) String() string { return strings.Join(f.text, ",") }
func (f *accessFlag) Type() string   { return "NAME=LEVEL" }

// access decides about a client; nil lets everybody do everything. A client has
// the most that one of its names has. Clients at a unix socket have no certificate,
// and are the same user.
func (f *accessFlag) access() func(*rpc.Peer) pipeproc.Access {
	if len(f.levels) == 0 {
		return nil
	}
	return func(p *rpc.Peer) pipeproc.Access {
		if p.Transport == rpc.SchemeUnix {
			return pipeproc.AccessAll
		}
		most := pipeproc.AccessNone
		for _, name := range p.CertNames {
			if level, ok := f.levels[name]; ok {
				most = min(most, level)
			}
		}
		return most
	}
}

// pathsFlag is paths, each given by a flag of its own, made absolute.
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
