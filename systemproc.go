package pipeproc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/worker"
)

// Processor processes the records of one claim:
//
//	func(ctx context.Context, w *Work) error
//
// When it returns nil, what it emitted is committed and the claim acknowledged, in one
// commit. When it returns an error or panics, the claim is given back, to be processed
// again after the proc's backoff. Its context ends when the reclaim timeout has passed,
// when the node is closed and, with Lanes, when another lane has failed. Records and
// their bytes are valid until it returns. [Each] and [EachValue] make one of a function
// over single records. For whole claims:
//
//	sum := func(ctx context.Context, w *pipeproc.Work) error {
//		total := 0
//		for _, rec := range w.Records() {
//			total += len(rec.Body)
//		}
//		w.Emit(strconv.AppendInt(nil, int64(total), 10)) // one record for the claim
//		return nil
//	}
type Processor = worker.Processor

// Work is what a [Processor] is called with: records, and a place for output.
//
//	func (w *Work) Records() []Record            // of the claim, or of this lane of it; not to be changed
//	func (w *Work) Topic() string                // that they are from
//	func (w *Work) Proc() string                 // that claimed them
//	func (w *Work) Attempt() int                 // 1 for the first delivery
//	func (w *Work) Skipped() uint64              // sequences pruned, by force, just before these
//	func (w *Work) Emit(body []byte)             // a record in each topic of To
//	func (w *Work) EmitRecord(rec Record)        // the same, with a key and headers
//	func (w *Work) EmitTo(topic string, rec Record) // a record in any topic
//
// What is emitted is copied, and committed together with the acknowledgement. A record
// that can never be stored makes the claim fail. A Work belongs to one goroutine and is
// valid until the processor returns.
//
//	route := pipeproc.Each(func(ctx context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
//		if len(rec.Key) == 0 {
//			w.EmitTo("unkeyed", rec)
//		} else {
//			w.EmitRecord(rec)
//		}
//		return nil
//	})
type Work = worker.Work

// Each returns a Processor that calls fn for each record.
func Each(fn func(ctx context.Context, rec Record, w *Work) error) Processor { return worker.Each(fn) }

// Default backoff of system procs.
const (
	systemBackoff    = 10 * time.Millisecond
	systemMaxBackoff = 3 * time.Second
)

// SystemProcOptions define a system proc: a processor that the node runs over
// the records of topics. The definition is kept in the store; the processor is
// attached to it by name, here or with Register, each time the store is opened.
type SystemProcOptions struct {
	// Name names the proc, and the processor if ProcessorName is empty.
	Name string
	// From are the topics to read. With one, the proc is called Name; with
	// several, or with PerTopic, there is a proc called Name__topic for each.
	From     []string
	PerTopic bool
	// To are the topics that Work.Emit writes to.
	To []string
	// Processor may be nil: the proc then waits for Register.
	Processor     Processor `json:"-"`
	ProcessorName string
	// Command, instead of a Processor, is a program with its arguments that the node
	// runs in worker processes (see Options.Programs): any program that speaks the
	// protocol of package worker/program, or program.CommandSelf. It is kept in the
	// store, so that it runs again when the node is opened. It runs with the
	// working directory, the environment and the rights of the node's process.
	Command []string
	// Source is passed to the program with the names of the proc and of the
	// processor. System procs with a Source and the same Command share processes.
	Source string
	// Count is the largest number of records that a processor is called with.
	// Default 1.
	Count int
	// Lanes is how many parts of one claim may be processed concurrently. Records
	// with the same key stay in one lane, in order. Default 1.
	Lanes int
	// Replace allows a definition that differs from the existing one.
	Replace bool

	// Offset is where the procs begin, as in ProcOptions.
	Offset string
	// Retry says what happens to records whose processing failed.
	Retry RetryPolicy
}

const (
	maxCount = 1 << 20
	maxLanes = 1 << 10
)

// Validate reports what is wrong with o. DefineSystemProc checks it itself.
func (o *SystemProcOptions) Validate() error {
	_, err := o.system()
	return err
}

// system checks o and returns it as a definition.
func (o *SystemProcOptions) system() (*procstate.System, error) {
	bad := func(name, format string, a ...any) (*procstate.System, error) {
		return nil, errs.InvalidProcOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	if err := record.CheckProcName(o.Name); err != nil {
		return nil, err
	}
	s := &procstate.System{Name: o.Name, Processor: o.ProcessorName, From: slices.Clone(o.From), To: slices.Clone(o.To),
		Many: o.PerTopic || len(o.From) > 1, Count: countOf(o.Count), Lanes: max(o.Lanes, 1)}
	if s.Processor == "" {
		s.Processor = o.Name
	}
	if len(o.Command) > 0 {
		s.Command, s.Source = slices.Clone(o.Command), o.Source
	}
	if name, why := o.checkCommand(); why != "" {
		return bad(name, "%s", why)
	}
	switch {
	case !utf8.ValidString(s.Processor):
		return bad("ProcessorName", "it is not UTF-8")
	case len(o.From) == 0:
		return bad("From", "there is no topic to read")
	case o.Count < 0 || o.Count > maxCount:
		return bad("Count", "%d is not between 1 and %d", o.Count, maxCount)
	case o.Lanes < 0 || o.Lanes > maxLanes:
		return bad("Lanes", "%d is not between 1 and %d", o.Lanes, maxLanes)
	}
	for _, t := range s.To {
		if err := record.CheckName(t); err != nil {
			return nil, err
		}
	}
	slices.Sort(s.From)
	for i, t := range s.From {
		if err := record.CheckName(t); err != nil {
			return nil, err
		}
		if i > 0 && s.From[i-1] == t {
			return bad("From", "topic %q stands there twice", t)
		}
		if err := record.CheckProcName(s.ProcName(t)); err != nil {
			return nil, err
		}
	}
	r := o.Retry
	switch {
	case r.MaxBackoff < 0:
		return bad("MaxBackoff", "it is negative")
	case r.Backoff < 0:
		r.Backoff, r.MaxBackoff = 0, 0
	default:
		r.Backoff = cmp.Or(r.Backoff, systemBackoff)
		r.MaxBackoff = cmp.Or(r.MaxBackoff, max(systemMaxBackoff, r.Backoff))
	}
	var err error
	s.Options, err = r.options(o.Offset).Check(s.From[0])
	if o.Retry.DeadLetterTopic == "" {
		s.DeadLetter = "" // each topic has its own
	}
	return s, err
}

const (
	maxCommand = 64 << 10
	maxSource  = 1 << 20
)

// checkCommand returns which of Command and Source is wrong, and why, or "" and "".
func (o *SystemProcOptions) checkCommand() (name, why string) {
	size := 0
	for _, a := range o.Command {
		size += len(a) + 1
		if strings.ContainsRune(a, 0) {
			return "Command", "a byte in it is 0"
		}
		if !utf8.ValidString(a) {
			return "Command", "it is not UTF-8"
		}
	}
	switch {
	case len(o.Command) == 0 && o.Source != "":
		return "Source", "there is no Command that it could be for"
	case len(o.Command) == 0:
		return "", ""
	case o.Command[0] == "":
		return "Command", "the program has no name"
	case o.Processor != nil:
		return "Command", "there is a Processor as well"
	case size > maxCommand:
		return "Command", fmt.Sprintf("it is longer than %d bytes", maxCommand)
	case len(o.Source) > maxSource:
		return "Source", fmt.Sprintf("it is longer than %d bytes", maxSource)
	case !utf8.ValidString(o.Source):
		return "Source", "it is not UTF-8"
	}
	return "", ""
}

// procOptions returns the options of the proc that reads topic for s.
func procOptions(s *procstate.System, topic string) (procstate.Options, error) {
	return s.Options.Check(topic)
}

// DefineSystemProc defines a system proc, with its procs, and runs it if there is a
// processor for it. Called again with the same definition, it only attaches the
// processor. New topics in From are added. Any other difference needs Replace; without it
// the error is ErrProcDiffers. With it all new options apply to existing procs, which keep
// their position. The error is ErrProcNameNotUnique if one of them reads another topic.
// ctx is for the call only, not for the processor.
func (n *Node) DefineSystemProc(ctx context.Context, o SystemProcOptions) ([]ProcInfo, error) {
	want, err := o.system()
	if err != nil {
		return nil, err
	}
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		err := n.define(ctx, want, o.Replace)
		if errors.Is(err, procstate.ErrStale) || errors.Is(err, procstate.ErrExists) {
			continue // it was being made or destroyed; look again
		}
		if err != nil {
			return nil, err
		}
		break
	}
	if o.Processor != nil {
		n.pipes.Register(want.Processor, o.Processor)
	}
	if err := n.pipes.Attach(ctx, want.Name); err != nil {
		return nil, err
	}
	infos := make([]ProcInfo, 0, len(want.From))
	for _, t := range want.From {
		i, err := n.InspectProc(ctx, want.ProcName(t))
		if err != nil {
			return nil, err
		}
		infos = append(infos, i)
	}
	return infos, nil
}

// define brings the stored definition to want, in one commit.
func (n *Node) define(ctx context.Context, want *procstate.System, replace bool) error {
	old := n.e.System(want.Name)
	if old != nil && !replace {
		if err := extends(want, old); err != nil {
			return err
		}
	}
	put := &procstate.Op{Kind: procstate.PutSystem, System: want, SeenSystem: old}
	ops := []*procstate.Op{put} // first, so that procs destroyed below no longer belong to it
	if old != nil {
		for _, t := range old.From {
			if !want.Reads(old.ProcName(t), t) {
				ops = append(ops, &procstate.Op{Kind: procstate.Destroy, Name: old.ProcName(t)})
			}
		}
	}
	for _, t := range want.From {
		op, err := n.defineProc(want, t, replace)
		if err != nil {
			return err
		}
		if op != nil {
			ops = append(ops, op)
		}
	}
	if old != nil && len(ops) == 1 && procstate.SameSystem(want, old) {
		return nil
	}
	return n.e.Propose(ctx, engine.ByMode, ops...)
}

// defineProc returns the proposal that makes the proc that reads topic part of want, or
// nil if it is that already.
func (n *Node) defineProc(want *procstate.System, topic string, replace bool) (*procstate.Op, error) {
	opts, err := procOptions(want, topic)
	if err != nil {
		return nil, err
	}
	d := procstate.Def{Name: want.ProcName(topic), Topic: topic, System: want.Name, Options: opts}
	s, err := n.e.Proc(d.Name)
	switch {
	case errors.Is(err, errs.InvalidProc):
		return n.e.Creation(d)
	case err != nil:
		return nil, err
	case s.Def.Topic != topic && s.Def.System == want.Name && replace: // define destroys it first
		return n.e.Creation(d)
	case s.Def.Topic != topic:
		return nil, procstate.NotUnique(s.Def, topic)
	case s.Def.System != "" && s.Def.System != want.Name:
		return nil, errs.ProcNameNotUnique.With(fmt.Sprintf("proc %q belongs to the system proc %q", d.Name, s.Def.System))
	case s.Def.Owner != 0:
		return nil, errs.InvalidProcOptions.With(fmt.Sprintf("Name: proc %q is ephemeral", d.Name))
	}
	if !replace {
		d.Options = s.Def.Options
	}
	d.Offset = s.Def.Offset
	if s.Def.System == want.Name && s.Def.Options == d.Options {
		return nil, nil
	}
	return &procstate.Op{Kind: procstate.Redefine, Name: d.Name, Def: d}, nil
}

// extends returns an error unless want is the definition old, or old with more topics to
// read.
func extends(want, old *procstate.System) error {
	w := *want
	w.From = slices.DeleteFunc(slices.Clone(w.From), func(t string) bool { return !slices.Contains(old.From, t) })
	if procstate.SameSystem(&w, old) {
		return nil
	}
	return errs.ProcDiffers.With(fmt.Sprintf("there is a system proc %q with another definition; set Replace to change it", want.Name))
}

// Register attaches a processor to all present and future system procs that name it. It
// replaces an earlier processor of that name.
func (n *Node) Register(name string, p Processor) error {
	if err := checkProcessor(name, p); err != nil {
		return err
	}
	n.pipes.Register(name, p)
	return n.pipes.Attach(context.Background())
}

func checkProcessor(name string, p Processor) error {
	if p == nil {
		return errs.NoProcessor.With(fmt.Sprintf("the processor %q is nil", name))
	}
	return nil
}

// SystemProcInfo describes a system proc. In its JSON form CreatedAt is in unix
// milliseconds.
type SystemProcInfo struct {
	Name      string
	Processor string
	From, To  []string // topics
	Procs     []string // one for each topic of From
	Command   []string // empty for a Processor
	Count     int
	Lanes     int
	CreatedAt time.Time
	Running   bool // a processor or program is attached, here or in another process
}

// systemProcJSON is the JSON form of a SystemProcInfo.
type systemProcJSON struct {
	Name      string   `json:"name"`
	Processor string   `json:"processor"`
	From      []string `json:"from"`
	To        []string `json:"to"`
	Procs     []string `json:"procs"`
	Command   []string `json:"command,omitempty"`
	Count     int      `json:"count"`
	Lanes     int      `json:"lanes"`
	CreatedAt int64    `json:"createdAt"`
	Running   bool     `json:"running"`
}

// MarshalJSON returns the description with names in lower case.
func (i SystemProcInfo) MarshalJSON() ([]byte, error) {
	return json.Marshal(systemProcJSON{i.Name, i.Processor, i.From, i.To, i.Procs, i.Command, i.Count, i.Lanes, msOf(i.CreatedAt), i.Running})
}

// UnmarshalJSON reads what MarshalJSON returns.
func (i *SystemProcInfo) UnmarshalJSON(b []byte) error {
	var j systemProcJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*i = SystemProcInfo{j.Name, j.Processor, j.From, j.To, j.Procs, j.Command, j.Count, j.Lanes, timeOf(j.CreatedAt), j.Running}
	return nil
}

// SystemProcs returns the definitions of all system procs, by name.
func (n *Node) SystemProcs(ctx context.Context) ([]SystemProcInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var out []SystemProcInfo
	list, err := n.e.Systems()
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		i := SystemProcInfo{Name: s.Name, Processor: s.Processor, From: s.From, To: s.To, Command: s.Command, Count: s.Count, Lanes: s.Lanes,
			CreatedAt: timeOf(s.CreatedAt), Running: n.pipes.Lacks(s) == "" || n.pipes.RunsElsewhere(s)}
		for _, t := range s.From {
			i.Procs = append(i.Procs, s.ProcName(t))
		}
		out = append(out, i)
	}
	return out, nil
}
