package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func TestProcAdmin(t *testing.T) {
	dir := store(t, numbered(5)...)
	d := " --dir " + dir
	for _, args := range []string{"inspect p", "disable p", "resume p", "destroy p", "seek p :1", "ack p", "reclaim p"} {
		fails(t, exitError, "", argv(args+d), `invalid_proc: there is no proc "p"`, "pipeproc procs")
	}
	ok(t, "", argv("proc p --topic t --reclaim-timeout never"+d)...)
	if p := aProc(t, dir, "disable", "p"); p.Status != "disabled" || p.Claim == "" {
		t.Errorf("%+v", p)
	}
	fails(t, exitError, "", argv("disable p"+d), "proc_already_disabled:")
	fails(t, exitError, "", argv("proc p --topic t"+d), "proc_is_disabled:", "pipeproc resume")
	ok(t, "", argv("ack p"+d)...)
	if p := aProc(t, dir, "resume", "p"); p.Status != "active" || p.Next != 1 {
		t.Errorf("%+v", p)
	}
	fails(t, exitError, "", argv("resume p"+d), "proc_already_active:")
	for offset, next := range map[string]int{">": 0, "$>": 5, ":2": 3, "0": 0, ids(t, dir, "t")[1]: 2} {
		if p := aProc(t, dir, "seek", "p", offset); p.Next != next || p.Pending != 5-next {
			t.Errorf("%s: %+v", offset, p)
		}
	}
	fails(t, exitError, "", argv("seek p nowhere"+d), "invalid_range_offset:")
	fails(t, exitError, "", argv("seek p :9"+d), "invalid_tone_id_search:")
	if p := aProc(t, dir, "destroy", "p"); p.Name != "p" {
		t.Errorf("%+v", p)
	}
	fails(t, exitError, "", argv("destroy p"+d), "invalid_proc:")
	if out := ok(t, "", argv("proc p --topic t --output body"+d)...); out != "line 0\n" {
		t.Errorf("%q after it was destroyed", out)
	}
	if out := ok(t, "", argv("inspect p"+d)...); !strings.Contains(out, `"offset":">"`) {
		t.Errorf("offsets are escaped in %s", out)
	}
}

func TestProcs(t *testing.T) {
	dir := store(t, numbered(5)...)
	if r := runs(t, "", "procs", "--dir", dir); r.code != exitOK || !strings.HasPrefix(r.out, "NAME") || !strings.Contains(r.err, "no procs yet") {
		t.Errorf("%+v", r)
	}
	if r := runs(t, "", argv("procs --output json --dir "+dir)...); r != (result{}) {
		t.Errorf("%+v", r)
	}
	for _, name := range argv("b a c") {
		ok(t, "", "proc", name, "--topic", "t", "--count", "2", "--reclaim-timeout", "never", "--dir", dir)
	}
	ok(t, "", argv("ack b --dir "+dir)...)
	ok(t, "", argv("disable c --dir "+dir)...)
	rows := strings.Split(ok(t, "", "procs", "--dir", dir), "\n")
	if len(rows) != 5 || !slices.Equal(strings.Fields(rows[0]), argv("NAME TOPIC STATUS NEXT PENDING CLAIMED RECLAIMS LAST ACK")) ||
		!slices.Equal(strings.Fields(rows[1]), argv("a t active 0 5 2 0 -")) || !slices.Equal(strings.Fields(rows[2])[:7], argv("b t active 2 3 - 0")) ||
		!slices.Equal(strings.Fields(rows[3]), argv("c t disabled 0 5 2 0 -")) {
		t.Errorf("%q", rows)
	}
	out := ok(t, "", argv("procs --output json --dir "+dir)...)
	if out != ok(t, "", argv("inspect a --dir "+dir)...)+ok(t, "", argv("inspect b --dir "+dir)...)+ok(t, "", argv("inspect c --dir "+dir)...) {
		t.Errorf("%s", out)
	}
	if r := runs(t, "", argv("system-procs --dir "+dir)...); r.code != exitOK || !strings.HasPrefix(r.out, "NAME  PROCESSOR  FROM  TO") {
		t.Errorf("%+v", r)
	}
}

func TestClaimText(t *testing.T) {
	claim := pipeproc.Claim{Records: make([]pipeproc.Record, 2), Attempt: 3, Timeout: time.Second}
	forever := pipeproc.Claim{Records: make([]pipeproc.Record, 1), Attempt: 1, Timeout: -1}
	for _, c := range []struct {
		claim pipeproc.Claim
		info  pipeproc.ProcInfo
		want  string
	}{
		{claim, pipeproc.ProcInfo{Name: "my proc"}, "claimed 2 records, attempt 3; 'pipeproc ack 'my proc'' acknowledges, within 1s"},
		{forever, pipeproc.ProcInfo{Name: "p"}, "claimed 1 record, attempt 1; 'pipeproc ack p' acknowledges"},
		{pipeproc.Claim{}, pipeproc.ProcInfo{Claim: pipeproc.Token{Epoch: 3, Serial: 1}, LastClaimed: pipeproc.IDRange{Count: 7}}, "nothing was claimed: claim 3-1 is open, of 7 records"},
		{pipeproc.Claim{}, pipeproc.ProcInfo{RetryAt: time.UnixMilli(1700000000123)}, "nothing was claimed: the records come again at 2023-11-14T22:13:20.123Z"},
		{pipeproc.Claim{}, pipeproc.ProcInfo{Name: "p", Topic: "t"}, `there is nothing to claim in topic "t" for proc "p"`},
	} {
		if got := claimText(&c.claim, &c.info); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}
