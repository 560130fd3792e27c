package pipeproc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// An option that cannot be is named, and nothing is made.
func TestSystemProcInvalidOptionsAreNamed(t *testing.T) {
	const century = 101 * 365 * 24 * time.Hour
	long := strings.Repeat("n", 250)
	n := newLab(t, nil)
	for _, c := range []struct {
		code, says string
		o          pipeproc.SystemProcOptions
	}{
		{"invalid_proc_options", "Name", pipeproc.SystemProcOptions{From: []string{"t"}}},
		{"invalid_proc_options", "Name", pipeproc.SystemProcOptions{Name: "a\tb", From: []string{"t"}}},
		{"invalid_proc_options", "Name", pipeproc.SystemProcOptions{Name: long, From: []string{"topic", "topic2"}}},
		{"invalid_proc_options", "From", pipeproc.SystemProcOptions{Name: "s"}},
		{"invalid_proc_options", "From", pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u", "t"}}},
		{"invalid_topic_format", "t/", pipeproc.SystemProcOptions{Name: "s", From: []string{"t/"}}},
		{"invalid_topic_format", "x y", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"x y"}}},
		{"invalid_topic_format", "", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{""}}},
		{"invalid_proc_options", "Count", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: -1}},
		{"invalid_proc_options", "Count", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 1 << 30}},
		{"invalid_proc_options", "Lanes", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: -1}},
		{"invalid_proc_options", "Lanes", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: 1 << 30}},
		{"invalid_proc_options", "MaxReclaims", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, MaxReclaims: -2}},
		{"invalid_proc_options", "ReclaimTimeout", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, ReclaimTimeout: century}},
		{"invalid_proc_options", "OnMaxReclaims", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, OnMaxReclaims: 7}},
		{"invalid_proc_options", "DeadLetterTopic", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, DeadLetterTopic: "d"}},
		{"invalid_proc_options", "DeadLetterTopic", pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, DeadLetterTopic: "b", OnMaxReclaims: pipeproc.DeadLetter}},
		{"invalid_proc_options", "Backoff", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Backoff: century}},
		{"invalid_proc_options", "MaxBackoff", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Backoff: 1, MaxBackoff: -1}},
		{"invalid_range_offset", "x", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Offset: "x"}},
		{"invalid_topic", "t", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Offset: ":0"}},
	} {
		c.o.Processor = nop
		_, err := n.SystemProc(t.Context(), c.o)
		wantCode(t, err, c.code, c.says)
	}
	if list, err := n.Procs(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("made all the same: %v, %v", namesOf(list), err)
	}
	if list, err := n.SystemProcs(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("made all the same: %v, %v", list, err)
	}
}

// Without a backoff of its own a system proc has one from 10 ms to 3 s; a
// negative one is none. Dead letters of several topics go to one each.
func TestSystemProcDefaults(t *testing.T) {
	n := newLab(t, nil)
	list := n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, OnMaxReclaims: pipeproc.DeadLetter})
	for i, dead := range []string{"a__dead", "b__dead"} {
		if p := list[i]; p.Backoff != 10*time.Millisecond || p.MaxBackoff != 3*time.Second || p.MaxReclaims != 10 || p.ReclaimTimeout != 10*time.Second ||
			p.DeadLetterTopic != dead || p.Offset != ">" {
			t.Errorf("%+v", p)
		}
	}
	if p := n.system(pipeproc.SystemProcOptions{Name: "none", From: []string{"a"}, Backoff: -1})[0]; p.Backoff != 0 || p.MaxBackoff != 0 {
		t.Errorf("%+v", p)
	}
	if p := n.system(pipeproc.SystemProcOptions{Name: "own", From: []string{"a"}, Backoff: time.Second, MaxBackoff: time.Minute})[0]; p.Backoff != time.Second || p.MaxBackoff != time.Minute {
		t.Errorf("%+v", p)
	}
}

// node/systemProc #12: Register takes no processor that is none.
func TestRegisterNil(t *testing.T) {
	n := newLab(t, nil)
	wantCode(t, n.Register("p", nil), "no_valid_processor_provided", `"p"`)
	n.shut()
	wantCode(t, n.Register("p", nop), "closed")
}

func TestPoolOptionsAreNamed(t *testing.T) {
	for _, c := range []struct {
		code, says string
		o          pipeproc.Options
	}{
		{"invalid_options", "Workers", pipeproc.Options{Workers: -1}},
		{"invalid_options", "CloseGrace", pipeproc.Options{CloseGrace: -1}},
		{"invalid_options", "GC.Interval", pipeproc.Options{GC: &pipeproc.GCOptions{Interval: -1}}},
		{"invalid_options", "MinPruneTime", pipeproc.Options{GC: &pipeproc.GCOptions{MinPruneTime: -1}}},
		{"invalid_options", "MinPruneTime", pipeproc.Options{GC: &pipeproc.GCOptions{MinPruneTime: 1 << 62}}},
		{"no_valid_processor_provided", "", pipeproc.Options{Processors: map[string]pipeproc.Processor{"p": nil}}},
	} {
		n, err := pipeproc.OpenMemory(&c.o)
		if err == nil {
			_ = n.Close()
		}
		wantCode(t, err, c.code, c.says)
	}
}
