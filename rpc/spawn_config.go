package rpc

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/worker/program"
)

// childConfig is what Spawn tells the process of the node, as JSON. The program that
// reads it may be of another version: so the names are of this message, and stay when
// fields of the API are renamed, and a name that the reader does not know is an error.
// An option that is dropped in silence may be one that keeps data.
type childConfig struct {
	Address    string
	Private    bool // the address is that of a namespace
	Secure     bool
	TLS        TLSFiles
	AllowPlain bool
	AllowExec  []string
	Dir        string
	Memory     bool
	Store      []byte `json:",omitempty"` // the id of the store that must be there
	Node       childNode
}

type childNode struct {
	Sync         pipeproc.SyncMode
	ReadOnly     bool
	MustExist    bool
	Topic        childTopic
	MaxBody      int
	MaxBatch     int
	MaxDisk      int64
	WALSize      int64
	MaxOpenFiles int
	MaxMapped    int
	MaxFuture    time.Duration
	GC           *childGC
	Processes    childProcesses
	Workers      int
	CloseGrace   time.Duration
}

type childTopic struct {
	SegmentSize int64
	Compression pipeproc.Compression
}

type childGC struct {
	Interval       time.Duration
	MinPruneTime   time.Duration // GCOptions.MinAge
	IgnoreDisabled bool
}

type childProcesses struct{ Workers, Concurrency, RestartAfter int }

func newChildNode(o *pipeproc.Options, p *program.RunnerOptions) childNode {
	c := childNode{Sync: o.Sync, ReadOnly: o.ReadOnly, MustExist: o.MustExist, Topic: childTopic(o.Topic),
		MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, MaxDisk: o.MaxDisk, WALSize: o.WALSize,
		MaxOpenFiles: o.MaxOpenFiles, MaxMapped: o.MaxMapped, MaxFuture: o.MaxFuture,
		Processes: childProcesses{p.Workers, p.Concurrency, p.RestartAfter}, Workers: o.Workers, CloseGrace: o.CloseGrace}
	if g := o.GC; g != nil {
		c.GC = &childGC{g.Interval, g.MinAge, g.IgnoreDisabled}
	}
	return c
}

func (c *childNode) options() (pipeproc.Options, program.RunnerOptions) {
	o := pipeproc.Options{Sync: c.Sync, ReadOnly: c.ReadOnly, MustExist: c.MustExist, Topic: pipeproc.TopicOptions(c.Topic),
		MaxBody: c.MaxBody, MaxBatch: c.MaxBatch, MaxDisk: c.MaxDisk, WALSize: c.WALSize,
		MaxOpenFiles: c.MaxOpenFiles, MaxMapped: c.MaxMapped, MaxFuture: c.MaxFuture, Workers: c.Workers, CloseGrace: c.CloseGrace}
	if g := c.GC; g != nil {
		o.GC = &pipeproc.GCOptions{Interval: g.Interval, MinAge: g.MinPruneTime, IgnoreDisabled: g.IgnoreDisabled}
	}
	p := c.Processes
	return o, program.RunnerOptions{Workers: p.Workers, Concurrency: p.Concurrency, RestartAfter: p.RestartAfter}
}

func decodeChildConfig(b []byte) (c childConfig, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return c, d.Decode(&c)
}
