package pipeproc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// The first call makes the proc and claims; the next one finds it.
func TestProcCreateOrClaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		before := time.Now().UnixMilli()
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
		pass(time.Second)
		n.ack("p")
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "1")
		if i := n.info("p"); i.CreatedAt != before || i.LastClaimedAt != before+1000 || i.LastAckedAt != before+1000 {
			t.Errorf("created at %d, claimed at %d, acked at %d; want %d and a second later", i.CreatedAt, i.LastClaimedAt, i.LastAckedAt, before)
		}
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%d procs, %v", len(list), err)
		}
	})
}

func TestProcDefaults(t *testing.T) {
	n := newLab(t, nil)
	i := n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
	if i.Offset != ">" || i.MaxReclaims != 10 || i.ReclaimTimeout != 10*time.Second || i.OnMaxReclaims != pipeproc.Disable ||
		i.Backoff != 0 || i.DeadLetterTopic != "" || i.Ephemeral || i.System != "" || i.Status() != "active" {
		t.Errorf("%+v", i)
	}
	i = n.ensure(pipeproc.ProcOptions{Name: "d", Topic: "t", OnMaxReclaims: pipeproc.DeadLetter, Backoff: time.Second})
	if i.DeadLetterTopic != "t__dead" || i.MaxBackoff != time.Minute {
		t.Errorf("%+v", i)
	}
	i = n.ensure(pipeproc.ProcOptions{Name: "b", Topic: "t", Backoff: time.Hour})
	if i.MaxBackoff != time.Hour {
		t.Errorf("a first backoff above the default of the longest: %v", i.MaxBackoff)
	}
}

func TestEnsureProcClaimsNothing(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	for range 2 {
		if i := n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"}); i.LastClaimedAt != 0 || i.Claim != (pipeproc.Token{}) || i.Pending != 1 {
			t.Errorf("%+v", i)
		}
	}
}

// Procs that exist keep their options; the count is of the call.
func TestProcExistingIgnoresOptionsButCount(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2", "3")
	n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 3, ReclaimTimeout: time.Minute})
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: ":2", Count: 2, MaxReclaims: 7, ReclaimTimeout: time.Hour,
		OnMaxReclaims: pipeproc.DeadLetter, Backoff: time.Hour, Ephemeral: true}, "0", "1")
	i := n.info("p")
	if i.Offset != ">" || i.MaxReclaims != 3 || i.ReclaimTimeout != time.Minute || i.OnMaxReclaims != pipeproc.Disable || i.Backoff != 0 || i.Ephemeral {
		t.Errorf("%+v", i)
	}
	n.ack("p")
	// An offset is looked at only when a proc is made.
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: "nonsense"}, "2")
}

// node/proc #7
func TestProcNameNotUnique(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	n.commit("u", "0")
	n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"})
	_, err := n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "u"})
	wantCode(t, err, "proc_name_not_unique", `"t"`, `"u"`)
	_, err = n.EnsureProc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "nowhere"})
	wantCode(t, err, "proc_name_not_unique")
	_, err = n.AvailableProc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "u"})
	wantCode(t, err, "proc_name_not_unique")
}

// An option that cannot be is named, and nothing is made.
func TestProcInvalidOptionsAreNamed(t *testing.T) {
	const century = 101 * 365 * 24 * time.Hour
	n := newLab(t, nil)
	for _, c := range []struct {
		option string
		o      pipeproc.ProcOptions
	}{
		{"Name", pipeproc.ProcOptions{Name: "", Topic: "t"}},
		{"Name", pipeproc.ProcOptions{Name: "a\nb", Topic: "t"}},
		{"Name", pipeproc.ProcOptions{Name: "\xff", Topic: "t"}},
		{"Name", pipeproc.ProcOptions{Name: strings.Repeat("n", 256), Topic: "t"}},
		{"MaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: -2}},
		{"MaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: -1, OnMaxReclaims: pipeproc.DeadLetter}},
		{"OnMaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", OnMaxReclaims: 9}},
		{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", DeadLetterTopic: "d"}},
		{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", DeadLetterTopic: "d/", OnMaxReclaims: pipeproc.DeadLetter}},
		{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", DeadLetterTopic: "t", OnMaxReclaims: pipeproc.DeadLetter}},
		{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: strings.Repeat("t", 250), OnMaxReclaims: pipeproc.DeadLetter}},
		{"Backoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Backoff: -1}},
		{"MaxBackoff", pipeproc.ProcOptions{Name: "p", Topic: "t", MaxBackoff: -1}},
		{"ReclaimTimeout", pipeproc.ProcOptions{Name: "p", Topic: "t", ReclaimTimeout: century}},
		{"Backoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Backoff: century}},
		{"MaxBackoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Backoff: 1, MaxBackoff: century}},
	} {
		_, err := n.Proc(t.Context(), c.o)
		wantCode(t, err, "invalid_proc_options", ": "+c.option+": ")
		_, err = n.EnsureProc(t.Context(), c.o)
		wantCode(t, err, "invalid_proc_options", ": "+c.option+": ")
		_, err = n.AvailableProc(t.Context(), c.o)
		wantCode(t, err, "invalid_proc_options", ": "+c.option+": ")
	}
	for _, topic := range []string{"", "a b", "t/", strings.Repeat("t", 256)} {
		_, err := n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: topic})
		wantCode(t, err, "invalid_topic_format")
	}
	if list, err := n.Procs(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("made all the same: %v, %v", list, err)
	}
}

// Q10: a name may hold any character that can be printed, and comes back.
func TestProcNamesOfAllKinds(t *testing.T) {
	names := []string{"a#b", "#", "~~system~~#proc#t#x#status", "a b", "größe", "日本", "a/b", "..", strings.Repeat("n", 255)}
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		for _, name := range names {
			n.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "0")
			n.ack(name)
		}
		n = reopen()
		for _, name := range names {
			n.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "1")
		}
	})
}

// A context that has ended before the call means that nothing happened.
func TestProcContextEnded(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	if _, err := n.Proc(ended(), pipeproc.ProcOptions{Name: "p", Topic: "t"}); err == nil {
		t.Error("a proc was made")
	}
	_, err := n.InspectProc(t.Context(), "p")
	wantCode(t, err, "invalid_proc")
	c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"})
	if _, err := n.Ack(ended(), "p", c.Token); err == nil {
		t.Error("an ack went through")
	}
	if _, err := n.Reclaim(ended(), "p", c.Token, ""); err == nil {
		t.Error("a reclaim went through")
	}
	if i := n.info("p"); i.Claim != c.Token || i.Reclaims != 0 {
		t.Errorf("%+v", i)
	}
}

// Whoever calls first makes the proc; all calls see the same one, and one of
// them gets the claim.
func TestProcMadeByManyAtOnce(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	const callers = 8
	results := make(chan pipeproc.Claim, callers)
	for range callers {
		go func() {
			c, err := n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "t"})
			if err != nil {
				t.Error(err)
			}
			results <- c
		}()
	}
	claims := 0
	for range callers {
		if c := <-results; !c.Empty() {
			claims++
		}
	}
	if claims != 1 {
		t.Errorf("%d claims of one record", claims)
	}
}
