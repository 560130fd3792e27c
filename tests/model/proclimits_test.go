package model

import (
	"errors"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestLargeDeadLetters gives back a claim that is larger than a batch may be:
// it must get to the dead-letter topic nevertheless, as the proc could never go
// on otherwise.
func TestLargeDeadLetters(t *testing.T) {
	b := newBench(t)
	for range 8 {
		b.commit("in", 100<<10)
	}
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Count: -1, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
	c := b.claim(o)
	if _, err := b.node.Reclaim(bg, "p", c.Token, ""); err != nil {
		t.Fatalf("a claim of %d records of 100 KiB cannot be given back: %v", len(c.Records), err)
	}
	n, err := b.node.Length(bg, "in__dead")
	if got := b.claim(o); err != nil || n+uint64(len(got.Records)) != 8 {
		t.Errorf("%d dead letters, %v, %d records left to claim", n, err, len(got.Records))
	}
}

// TestSystemProcsShareNoProc defines a system proc over the proc of another
// one: each proc is run by one of them.
func TestSystemProcsShareNoProc(t *testing.T) {
	b := newBench(t)
	_, err := b.node.DefineSystemProc(bg, pipeproc.SystemProcOptions{Name: "many", From: []string{"a", "b"}})
	b.must(err)
	_, err = b.node.DefineSystemProc(bg, pipeproc.SystemProcOptions{Name: "many__a", From: []string{"a"}})
	if !errors.Is(err, pipeproc.ErrProcNameNotUnique) && !errors.Is(err, pipeproc.ErrProcDiffers) {
		t.Errorf("a second system proc for proc many__a: %v", err)
	}
	list, err := b.node.SystemProcs(bg)
	b.must(err)
	owner := map[string]string{}
	for _, s := range list {
		for _, p := range s.Procs {
			if owner[p] != "" {
				t.Errorf("proc %s is run by %s and by %s", p, owner[p], s.Name)
			}
			owner[p] = s.Name
		}
	}
}

// TestSystemProcPerTopic replaces a system proc of one topic by one that is the
// same except for the names of its procs.
func TestSystemProcPerTopic(t *testing.T) {
	b := newBench(t)
	for _, many := range []bool{false, true, false} {
		list, err := b.node.DefineSystemProc(bg, pipeproc.SystemProcOptions{Name: "sys", From: []string{"a"}, PerTopic: many, Replace: true})
		b.must(err)
		systems, err := b.node.SystemProcs(bg)
		b.must(err)
		if len(systems) != 1 || len(systems[0].From) != 1 || systems[0].Procs[0] != list[0].Name {
			t.Errorf("per topic %v: procs %+v of system procs %+v", many, list, systems)
		}
	}
}

// TestOffsetBehindEverything begins after the largest id that there is.
func TestOffsetBehindEverything(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	for i, offset := range []string{"9223372036854775807", "9223372036854775807-0", "9223372036854775807-18446744073709551615"} {
		o := pipeproc.ProcOptions{Name: string(rune('p' + i)), Topic: "in", Offset: offset}
		if c := b.claim(o); !c.Empty() {
			t.Errorf("offset %s: claimed %v", offset, c.Range)
		}
	}
}
