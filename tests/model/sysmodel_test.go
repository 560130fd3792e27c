package model

import (
	"maps"
	"slices"

	"github.com/pipeproc/pipeproc"
)

// System procs in the model. They have no processor here: they are definitions
// and procs, which the tests claim for themselves.

func (y *systemState) procName(name, topic string) string {
	if y.many {
		return name + "__" + topic
	}
	return name
}

func (y *systemState) procNames(name string) []string {
	var out []string
	for _, t := range y.from {
		out = append(out, y.procName(name, t))
	}
	return out
}

// same reports whether two definitions are the same.
func (y *systemState) same(o *systemState) bool {
	a, b := y.options, o.options
	a.made, b.made = 0, 0
	return y.processor == o.processor && slices.Equal(y.from, o.from) && slices.Equal(y.to, o.to) && y.many == o.many &&
		y.count == o.count && y.lanes == o.lanes && a == b
}

// procOf returns the options of the proc that reads topic for o.
func procOf(o pipeproc.SystemProcOptions, name, topic string) pipeproc.ProcOptions {
	return pipeproc.ProcOptions{Name: name, Topic: topic, Offset: o.Offset, Retry: pipeproc.RetryPolicy{MaxReclaims: o.Retry.MaxReclaims, ReclaimTimeout: o.Retry.ReclaimTimeout, OnMaxReclaims: o.Retry.OnMaxReclaims, DeadLetterTopic: o.Retry.DeadLetterTopic, Backoff: max(o.Retry.Backoff, 0), MaxBackoff: o.Retry.MaxBackoff}}
}

// system predicts SystemProc: the command, nil when nothing is to be done.
func (s *state) system(o pipeproc.SystemProcOptions, now int64) (*command, error) {
	y := &systemState{processor: o.ProcessorName, from: slices.Sorted(slices.Values(o.From)), to: o.To, many: o.PerTopic || len(o.From) > 1,
		count: max(o.Count, 1), lanes: max(o.Lanes, 1), made: s.at(now), options: define(procOf(o, "", ""), 0)}
	if y.processor == "" {
		y.processor = o.Name
	}
	y.options.dead = o.Retry.DeadLetterTopic
	old := s.systems[o.Name]
	if old != nil {
		y.made = old.made
	}
	if old != nil && !o.Replace {
		part := *y
		part.from = slices.DeleteFunc(slices.Clone(y.from), func(t string) bool { return !slices.Contains(old.from, t) })
		if !part.same(old) {
			return nil, pipeproc.ErrProcDiffers
		}
	}
	c := &command{kind: kProcs, ms: s.at(now)}
	if old != nil { // what is not read any more, or for another topic
		for _, t := range old.from {
			if name := old.procName(o.Name, t); !slices.Contains(y.from, t) || y.procName(o.Name, t) != name {
				c.procs = append(c.procs, procSet{name, nil})
			}
		}
	}
	for _, t := range y.from {
		k, err := s.systemProc(o, y.procName(o.Name, t), t, now)
		if err != nil {
			return nil, err
		}
		c.procs = append(c.procs, k...)
	}
	if old != nil && len(c.procs) == 0 && y.same(old) {
		return nil, nil
	}
	c.systems = []systemSet{{o.Name, y}}
	return c, nil
}

// systemProc predicts what becomes of one proc of a system proc.
func (s *state) systemProc(o pipeproc.SystemProcOptions, name, topic string, now int64) ([]procSet, error) {
	want := procOf(o, name, topic)
	p := s.procs[name]
	if p == nil || p.topic != topic && p.system == o.Name && o.Replace {
		next, floor, err := s.place(topic, o.Offset)
		if err != nil {
			return nil, err
		}
		n := &procState{procDef: define(want, s.at(now)), next: next, floor: floor}
		n.system = o.Name
		return []procSet{{name, n}}, nil
	}
	if p.topic != topic || p.system != "" && p.system != o.Name {
		return nil, pipeproc.ErrProcNameNotUnique
	}
	if p.ephemeral {
		return nil, pipeproc.ErrInvalidProcOptions
	}
	d := p.procDef
	if o.Replace {
		d = define(want, p.made)
		d.offset = p.offset
	}
	d.system = o.Name
	if d == p.procDef {
		return nil, nil
	}
	n := *p
	n.procDef = d
	return []procSet{{name, &n}}, nil
}

func (s *state) systemNames() []string { return slices.Sorted(maps.Keys(s.systems)) }
