package conformance

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var procAdminTests = []test{
	{name: "disable and resume", run: func(l *lab) {
		l.commit("t", "0")
		o := procOn("t")
		l.claim(o)
		l.reclaim("p")
		if i := l.disable("p"); !i.Disabled || i.Status() != "disabled" || i.Name != "p" || i.Reclaims != 1 || i != l.info("p") {
			l.t.Errorf("%+v", i)
		}
		_, err := l.DisableProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrProcAlreadyDisabled)
		if i := l.resume("p"); i.Disabled || i.Status() != "active" || i.Reclaims != 0 || i != l.info("p") {
			l.t.Errorf("%+v", i)
		}
		_, err = l.ResumeProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrProcAlreadyActive)
		l.want(o, "0")
	}},
	{name: "unknown procs", run: func(l *lab) {
		for name, call := range map[string]func(proc string) error{
			"disable": func(p string) error { _, err := l.DisableProc(l.ctx, p); return err },
			"resume":  func(p string) error { _, err := l.ResumeProc(l.ctx, p); return err },
			"destroy": func(p string) error { _, err := l.DestroyProc(l.ctx, p); return err },
			"inspect": func(p string) error { _, err := l.InspectProc(l.ctx, p); return err },
			"seek":    func(p string) error { _, err := l.SeekProc(l.ctx, p, ">"); return err },
			"ack":     func(p string) error { _, err := l.Ack(l.ctx, p, pipeproc.Token{}); return err },
			"reclaim": func(p string) error { _, err := l.Reclaim(l.ctx, p, pipeproc.Token{}, ""); return err },
			"work":    func(p string) error { return l.WaitForWork(l.ctx, p) },
			"ackCommit": func(p string) error {
				_, _, err := l.AckCommit(l.ctx, p, pipeproc.Token{}, recordsOf("out", "x")...)
				return err
			},
		} {
			err := call("nobody")
			l.wantErr(err, pipeproc.ErrInvalidProc, `"nobody"`)
			if err := call(""); pipeproc.Code(err) != "invalid_proc" {
				l.t.Errorf("%s of no name: %v", name, err)
			}
		}
		l.wantTopic("out")
	}},
	{name: "destroy", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		l.claim(o)
		l.ack("p")
		before := l.claim(o)
		if i := l.destroy("p"); i.Name != "p" || i.Claim != before.Token || i.Next != 1 {
			l.t.Errorf("not as it was: %+v", i)
		}
		_, err := l.InspectProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrInvalidProc)
		_, err = l.DestroyProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrInvalidProc)
		// Created again it starts from scratch, possibly on another topic.
		l.want(o, "0")
		l.destroy("p")
		l.ensure(procOn("u"))
	}},
	{name: "destroy removes one proc", run: func(l *lab) {
		l.commit("t", "0", "1")
		for _, name := range []string{"a", "ab", "b", "c", "z"} {
			l.claim(pipeproc.ProcOptions{Name: name, Topic: "t"})
			l.ack(name)
		}
		l.system(pipeproc.SystemProcOptions{Name: "sys", From: []string{"t", "u"}})
		l.destroy("a")
		l.destroy("c")
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"ab", "b", "sys__t", "sys__u", "z"}) {
			l.t.Errorf("%q", names)
		}
		if len(l.systems()) != 1 || l.info("z").Next != 1 {
			l.t.Errorf("%+v", l.systems())
		}
	}},
	{name: "listed by name", run: func(l *lab) {
		if list := l.procs(); len(list) != 0 {
			l.t.Errorf("%q", namesOf(list))
		}
		for _, name := range []string{"c", "a", "b"} {
			l.ensure(pipeproc.ProcOptions{Name: name, Topic: "t"})
		}
		list := l.procs()
		if !slices.Equal(namesOf(list), []string{"a", "b", "c"}) {
			l.t.Errorf("%q", namesOf(list))
		}
		for _, i := range list {
			if i != l.info(i.Name) {
				l.t.Errorf("%+v", i)
			}
		}
	}},
	{name: "the JSON form of a proc", run: func(l *lab) {
		id := l.commit("t", "0")[0].String()
		l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.StrategyContinue}})
		l.ack("p")
		i := l.info("p")
		text, err := json.Marshal(i)
		l.ok(err)
		var m map[string]any
		l.ok(json.Unmarshal(text, &m))
		for name, want := range map[string]any{"name": "p", "topic": "t", "offset": ">", "createdAt": float64(i.CreatedAt.UnixMilli()), "lastClaimedAt": float64(i.LastClaimedAt.UnixMilli()),
			"lastAckedAt": float64(i.LastAckedAt.UnixMilli()), "lastClaimedRange": id + ".." + id, "lastAckedRange": id + ".." + id, "previousClaimedRange": "",
			"status": "active", "reclaims": 0.0, "maxReclaims": -1.0, "reclaimTimeout": -1.0, "onMaxReclaimsReached": "continue"} {
			if m[name] != want {
				l.t.Errorf("%s is %v, want %v", name, m[name], want)
			}
		}
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		l.ok(e.Encode(i))
		if !strings.Contains(b.String(), `"offset":">"`) {
			l.t.Errorf("the offset is not as it was written: %s", b.String())
		}
		l.disable("p")
		text, err = json.Marshal(l.info("p"))
		l.ok(err)
		if !strings.Contains(string(text), `"status":"disabled"`) {
			l.t.Errorf("%s", text)
		}
	}},
}
