package main

import (
	"strings"
	"testing"
)

func TestWait(t *testing.T) {
	dir := store(t, numbered(3)...)
	d := " --dir " + dir
	if r := runs(t, "", argv("wait"+d)...); r != (result{}) { // there is no proc
		t.Errorf("%+v", r)
	}
	ok(t, "", argv("proc p --topic t --count 3 --reclaim-timeout never"+d)...)
	ok(t, "", append(argv("proc q --topic t"+d), "--offset", "$>")...)
	for _, args := range []string{"wait", "wait p", "wait q p"} {
		r := fails(t, exitError, "", argv(args+" --timeout 20ms"+d), "timeout", "20ms", `proc "p" has 3 records`)
		if r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: %+v", args, r)
		}
		// Nobody can acknowledge while it waits, so it need not.
		fails(t, exitError, "", argv(args+d), `proc "p" has 3 records`, "pipeproc ack")
	}
	for _, args := range []string{"wait q", "wait q --timeout 1m"} {
		if r := runs(t, "", argv(args+d)...); r != (result{}) {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if r := runs(t, "", argv("wait nobody"+d)...); r.code != exitOK || !strings.Contains(r.err, `note: there is no proc "nobody"`) {
		t.Errorf("%+v", r)
	}
	ok(t, "", argv("ack p"+d)...)
	for _, args := range []string{"wait", "wait p", "wait --timeout 1m"} {
		if r := runs(t, "", argv(args+d)...); r != (result{}) {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// What can happen during a wait: claims time out.
func TestWaitForTimeouts(t *testing.T) {
	for strategy, code := range map[string]int{"deadletter": exitOK, "disable": exitOK, "continue": exitError} {
		for _, timeout := range []string{"", " --timeout 1m"} {
			if code != exitOK && timeout != "" {
				continue // it would take its minute
			}
			dir := store(t, numbered(3)...)
			ok(t, "", argv("proc p --topic t --count 3 --reclaim-timeout 50ms --max-reclaims 1 --on-max-reclaims "+strategy+" --dir "+dir)...)
			if r := runs(t, "", argv("wait p --dir "+dir+timeout)...); r.code != code {
				t.Errorf("%s: %+v", strategy, r)
			}
			p := aProc(t, dir, "inspect", "p")
			if p.Claim != "" || strategy == "deadletter" && p.Next != 3 || strategy == "disable" && p.Status != "disabled" {
				t.Errorf("%s: %+v", strategy, p)
			}
		}
	}
}
