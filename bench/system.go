package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
)

// A store is an open system. The interfaces below describe what it can do; a
// workload uses one of them. Append, AppendBatch, AppendAtomic and AppendTo are
// called from one goroutine.
type store interface {
	Close() error
}

type appender interface {
	Append(body []byte) error
}

type batcher interface {
	AppendBatch(bodies [][]byte) error
}

// A sharer can be appended to by several goroutines, each with its own writer.
type sharer interface {
	Writer() appender
}

// An atomicWriter appends a batch over several topics: body i goes to topic
// i%topics. After a crash either all of it is there or nothing.
type atomicWriter interface {
	AppendAtomic(topics int, bodies [][]byte) error
}

type topicWriter interface {
	AppendTo(topic int, bodies [][]byte) error
}

// A scanner reads all records in order. Bodies are valid during the call.
type scanner interface {
	Scan(fn func(body []byte)) error
}

// A getter makes a reader of single records for one goroutine. Records count from 0.
type getter interface {
	Getter() func(i uint64) ([]byte, error)
}

// A seeker finds the first record at or after a time in unix milliseconds.
type seeker interface {
	Times() (first, last int64, err error)
	SeekTime(ms int64) ([]byte, error)
}

// A tailer calls fn for each record from the first on, then waits for more
// until ctx ends.
type tailer interface {
	Tail(ctx context.Context, fn func(body []byte)) error
}

// config says how to open a system.
type config struct {
	dir      string
	durable  bool // acknowledged means on disk
	size     int  // of a body
	records  int  // expected number, for systems that preallocate
	topics   int
	compress bool
	byTime   bool // the fill is for a seek by time
	serial   bool // one record per call, one goroutine
}

// system is one engine, or one limit.
type system struct {
	name    string // "limit:write": the part after the colon is the variant
	module  string // its version is reported
	durable string // what durable means for it
	relaxed string // what it does when not durable
	open    func(c config) (store, error)
}

var systems []*system

func register(s system) { systems = append(systems, &s) }

func systemOf(name string) (*system, error) {
	for _, s := range systems {
		if s.name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("unknown system %q", name)
}

// split returns the name and the variant.
func split(name string) (system, variant string) {
	system, variant, _ = strings.Cut(name, ":")
	return system, variant
}

// version returns the version of the module a system is made of.
func (s *system) version() string {
	if s.module == "" {
		return ""
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == s.module {
			if m.Replace != nil {
				return "this tree"
			}
			return m.Version
		}
	}
	return ""
}
