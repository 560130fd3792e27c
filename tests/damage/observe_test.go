package damage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pipeproc/pipeproc"
)

// observed is what a node shows of a store.
type observed struct {
	topics map[string]*seenTopic
	procs  map[string]pipeproc.ProcInfo
	errs   []report // what reading said
	broken error    // reading does not end
}

type seenTopic struct {
	info   pipeproc.TopicInfo
	policy pipeproc.Retention
	recs   map[uint64]pipeproc.Record
}

// report is something that was said about damage. Without a topic it concerns all.
type report struct {
	topic string
	err   error
}

// observe reads everything.
func observe(n *pipeproc.Node) *observed {
	o := &observed{topics: map[string]*seenTopic{}, procs: map[string]pipeproc.ProcInfo{}}
	infos, err := n.Topics(bg)
	o.say("", err)
	for _, i := range infos {
		if i.Damaged != nil {
			o.say(i.Name, i.Damaged)
		}
		t := &seenTopic{recs: map[uint64]pipeproc.Record{}}
		o.topics[i.Name] = t
		o.read(n, i.Name, t)
		if i, err = n.Topic(bg, i.Name); err == nil { // reading may have found damage
			t.info = i
			if i.Damaged != nil {
				o.say(i.Name, i.Damaged)
			}
		}
		t.info.Damaged, t.info.DiskBytes, t.info.Segments = nil, 0, 0
		t.policy, err = n.Retention(bg, i.Name)
		o.say(i.Name, err)
	}
	procs, err := n.Procs(bg)
	o.say("", err)
	for _, p := range procs {
		o.procs[p.Name] = p
	}
	return o
}

func (o *observed) say(topic string, err error) {
	if err != nil {
		o.errs = append(o.errs, report{topic, err})
	}
}

func (o *observed) read(n *pipeproc.Node, name string, t *seenTopic) {
	c, err := n.Cursor(bg, name, pipeproc.RangeOptions{})
	if err != nil {
		o.say(name, err)
		return
	}
	defer c.Close()
	for steps := 0; ; steps++ {
		for c.Next() {
			r := pipeproc.Record{ID: c.ID(), Topic: name, Key: bytes.Clone(c.Key()), Body: bytes.Clone(c.Body())}
			for h, v := range c.Headers() {
				r.Headers = append(r.Headers, pipeproc.Header{Name: h, Value: bytes.Clone(v)})
			}
			if _, twice := t.recs[r.ID.Seq]; twice {
				o.broken = fmt.Errorf("topic %s: record %v comes twice", name, r.ID)
				return
			}
			t.recs[r.ID.Seq] = r
		}
		if c.Err() == nil {
			return
		}
		o.say(name, c.Err())
		if steps > 10000 {
			o.broken = fmt.Errorf("topic %s: reading does not end: %w", name, c.Err())
			return
		}
		if !c.Resume() {
			return
		}
	}
}

// difference is one thing that is not as it was acknowledged.
type difference struct {
	topic string
	seq   uint64 // of a record, if that is all
	one   bool
	wrong bool // other bytes than those written
	proc  bool // of a proc, whose claims no mode syncs
	what  string
}

func equalRecord(a, b *pipeproc.Record) bool {
	return a.ID == b.ID && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Body, b.Body) &&
		slices.EqualFunc(a.Headers, b.Headers, func(x, y pipeproc.Header) bool { return x.Name == y.Name && bytes.Equal(x.Value, y.Value) })
}

// compare lists how got differs from the truth.
func (o *observed) compare(got *observed) (list []difference) {
	for name, want := range o.topics {
		t := got.topics[name]
		if t == nil {
			list = append(list, difference{topic: name, what: "the topic is gone"})
			continue
		}
		if t.info.ID != want.info.ID {
			list = append(list, difference{topic: name, what: "it is an earlier topic of that name"})
			continue
		}
		list = append(list, want.compare(name, t)...)
	}
	for name := range got.topics {
		if o.topics[name] == nil {
			list = append(list, difference{topic: name, what: "the topic was deleted"})
		}
	}
	for name, p := range o.procs {
		if g, ok := got.procs[name]; !ok {
			list = append(list, difference{topic: p.Topic, proc: true, what: fmt.Sprintf("proc %s is gone", name)})
		} else if g != p {
			list = append(list, difference{topic: p.Topic, proc: true, what: fmt.Sprintf("proc %s differs: %+v, not %+v", name, g, p)})
		}
	}
	for name, p := range got.procs {
		if _, ok := o.procs[name]; !ok {
			list = append(list, difference{topic: p.Topic, proc: true, what: fmt.Sprintf("proc %s was destroyed", name)})
		}
	}
	return list
}

func (t *seenTopic) compare(name string, got *seenTopic) (list []difference) {
	for _, seq := range slices.Sorted(maps.Keys(t.recs)) {
		want := t.recs[seq]
		r, ok := got.recs[seq]
		switch {
		case !ok:
			list = append(list, difference{topic: name, seq: seq, one: true, what: fmt.Sprintf("record %d is missing", seq)})
		case !equalRecord(&r, &want):
			list = append(list, difference{topic: name, seq: seq, one: true, wrong: true, what: fmt.Sprintf("record %d is %v, not %v", seq, r.ID, want.ID)})
		}
	}
	lost := len(list) > 0
	for seq, r := range got.recs {
		if _, ok := t.recs[seq]; !ok {
			list = append(list, difference{topic: name, wrong: seq >= t.info.Next, what: fmt.Sprintf("there is a record %v", r.ID)})
		}
	}
	a, b := t.info, got.info
	if lost { // what follows from that
		b.Records, b.FirstTime, b.First = a.Records, a.FirstTime, a.First
	}
	if a != b {
		list = append(list, difference{topic: name, what: fmt.Sprintf("info %+v, not %+v", b, a)})
	}
	if t.policy != got.policy {
		list = append(list, difference{topic: name, what: "the retention differs"})
	}
	return list
}

// covered reports whether one of the reports is about d.
func (d *difference) covered(reports []report) bool {
	for _, r := range reports {
		if r.topic != "" && r.topic != d.topic {
			continue
		}
		var c *pipeproc.CorruptError
		if d.one && r.topic != "" && errors.As(r.err, &c) && c.Next > c.First && (d.seq < c.First || d.seq >= c.Next) {
			continue
		}
		return true
	}
	return false
}

// uncovered returns the first difference that no report is about.
func uncovered(list []difference, reports []report) *difference {
	for i := range list {
		if !list[i].covered(reports) {
			return &list[i]
		}
	}
	return nil
}
