package pipeproc_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// client/proc #11; node/resumeDisable #1, #3, #5, #7
func TestDisableAndResume(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.claim(o)
	n.reclaim("p")
	if i := n.disable("p"); !i.Disabled || i.Status() != "disabled" || i.Name != "p" || i.Reclaims != 1 {
		t.Errorf("%+v", i)
	}
	_, err := n.DisableProc(t.Context(), "p")
	wantCode(t, err, "proc_already_disabled")
	if i := n.resume("p"); i.Disabled || i.Status() != "active" || i.Reclaims != 0 {
		t.Errorf("%+v", i)
	}
	_, err = n.ResumeProc(t.Context(), "p")
	wantCode(t, err, "proc_already_active")
	n.want(o, "0")
}

// client/proc #12; node/resumeDisable #2, #6; node/destroyProc #4
func TestUnknownProc(t *testing.T) {
	n := newLab(t, nil)
	ctx := t.Context()
	for name, call := range map[string]func(proc string) error{
		"disable": func(p string) error { _, err := n.DisableProc(ctx, p); return err },
		"resume":  func(p string) error { _, err := n.ResumeProc(ctx, p); return err },
		"destroy": func(p string) error { _, err := n.DestroyProc(ctx, p); return err },
		"inspect": func(p string) error { _, err := n.InspectProc(ctx, p); return err },
		"seek":    func(p string) error { _, err := n.SeekProc(ctx, p, ">"); return err },
		"ack":     func(p string) error { _, err := n.Ack(ctx, p, pipeproc.Token{}); return err },
		"reclaim": func(p string) error { _, err := n.Reclaim(ctx, p, pipeproc.Token{}, ""); return err },
		"work":    func(p string) error { return n.WaitForWork(ctx, p) },
		"ackCommit": func(p string) error {
			_, _, err := n.AckCommit(ctx, p, pipeproc.Token{}, recordsOf("out", "x")...)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, call("nobody"), "invalid_proc", `"nobody"`) })
	}
	n.wantTopic("out")
}

// node/destroyProc #1, #2; client/proc #12
func TestDestroy(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.claim(o)
	n.ack("p")
	before := n.claim(o)
	if i := n.destroy("p"); i.Name != "p" || i.Claim != before.Token || i.Next != 1 {
		t.Errorf("not as it was: %+v", i)
	}
	_, err := n.InspectProc(t.Context(), "p")
	wantCode(t, err, "invalid_proc")
	_, err = n.DestroyProc(t.Context(), "p")
	wantCode(t, err, "invalid_proc")
	// Made again it begins anew, and on another topic if it likes.
	n.want(o, "0")
	n.destroy("p")
	n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "u"})
}

// Q4, node/destroyProc #3: destroying a proc removes that one and no other, on
// disk, too.
func TestDestroyRemovesOneProc(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		for _, name := range []string{"a", "ab", "b", "c", "z"} {
			n.claim(pipeproc.ProcOptions{Name: name, Topic: "t"})
			n.ack(name)
		}
		_, err := n.SystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "sys", From: []string{"t", "u"}})
		n.ok(err)
		n.destroy("a")
		n.destroy("c")
		n = reopen()
		list, err := n.Procs(t.Context())
		n.ok(err)
		names := ""
		for _, i := range list {
			names += " " + i.Name
			if i.System == "" && i.Next != 1 {
				t.Errorf("%+v", i)
			}
		}
		if names != " ab b sys__t sys__u z" {
			t.Errorf("procs%s", names)
		}
		if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 1 {
			t.Error(s, err)
		}
	})
}

// Procs are listed by name.
func TestProcsAreListedByName(t *testing.T) {
	n := newLab(t, nil)
	if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	for _, name := range []string{"c", "a", "b"} {
		n.ensure(pipeproc.ProcOptions{Name: name, Topic: "t"})
	}
	list, err := n.Procs(t.Context())
	n.ok(err)
	for i, want := range []string{"a", "b", "c"} {
		if list[i].Name != want {
			t.Errorf("%d: %s", i, list[i].Name)
		}
	}
}

// The JSON form has the original's names, and ranges in client ids.
// client/proc #8
func TestProcInfoJSON(t *testing.T) {
	n := newLab(t, nil)
	id := n.commit("t", "0")[0].String()
	n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: "$>"})
	n.destroy("p")
	n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: -1, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.Continue})
	n.ack("p")
	i := n.info("p")
	text, err := json.Marshal(i)
	n.ok(err)
	var m map[string]any
	n.ok(json.Unmarshal(text, &m))
	want := map[string]any{"name": "p", "topic": "t", "offset": ">", "createdAt": float64(i.CreatedAt), "lastClaimedAt": float64(i.LastClaimedAt),
		"lastAckedAt": float64(i.LastAckedAt), "lastClaimedRange": id + ".." + id, "lastAckedRange": id + ".." + id, "previousClaimedRange": "",
		"status": "active", "reclaims": 0.0, "maxReclaims": -1.0, "reclaimTimeout": -1.0, "onMaxReclaimsReached": "continue"}
	for name, v := range want {
		if m[name] != v {
			t.Errorf("%s is %v, want %v", name, m[name], v)
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	n.ok(e.Encode(i))
	if !strings.Contains(b.String(), `"offset":">"`) {
		t.Errorf("the offset is not as it was written: %s", b.String())
	}
	n.disable("p")
	text, err = json.Marshal([]pipeproc.ProcInfo{n.info("p")})
	n.ok(err)
	if !strings.Contains(string(text), `"status":"disabled"`) {
		t.Errorf("%s", text)
	}
}

// What the node refuses once it is closed says so.
func TestProcsOfClosedNode(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.claim(o)
	n.shut()
	ctx := t.Context()
	for i, call := range []func() error{
		func() error { _, err := n.Proc(ctx, o); return err },
		func() error { _, err := n.EnsureProc(ctx, o); return err },
		func() error { _, err := n.AvailableProc(ctx, o); return err },
		func() error { _, err := n.Ack(ctx, "p", pipeproc.Token{}); return err },
		func() error { _, _, err := n.AckCommit(ctx, "p", pipeproc.Token{}, recordsOf("t", "x")...); return err },
		func() error { _, err := n.Reclaim(ctx, "p", pipeproc.Token{}, ""); return err },
		func() error { _, err := n.InspectProc(ctx, "p"); return err },
		func() error { _, err := n.Procs(ctx); return err },
		func() error { _, err := n.DestroyProc(ctx, "p"); return err },
		func() error { _, err := n.SeekProc(ctx, "p", ">"); return err },
		func() error { return n.WaitForProcs(ctx) },
		func() error { return n.WaitForWork(ctx, "p") },
		func() error { _, err := n.GC(ctx, pipeproc.GCOptions{}); return err },
		func() error { return n.SetRetention(ctx, "t", pipeproc.Retention{GC: pipeproc.On}) },
		func() error { _, err := n.Retention(ctx, "t"); return err },
		func() error { _, err := n.LiveProc(ctx, pipeproc.LiveOptions{Topic: "t"}); return err },
		func() error {
			_, err := n.SystemProc(ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
			return err
		},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { wantCode(t, call(), "closed") })
	}
}
