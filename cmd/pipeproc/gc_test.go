package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestGC(t *testing.T) {
	dir := store(t, numbered(6)...)
	d := " --dir " + dir
	// Nothing is old enough.
	if r := runs(t, "", argv("gc"+d)...); r.code != exitOK || r.out != "" || !strings.Contains(r.err, "nothing to collect") {
		t.Errorf("%+v", r)
	}
	if r := runs(t, "", argv("gc --output json"+d)...); r != (result{}) {
		t.Errorf("%+v", r)
	}
	ok(t, "x\ny\n", argv("commit free"+d)...)
	for range 3 {
		ok(t, "", argv("proc p --topic t --count 2 --reclaim-timeout never"+d)...)
		ok(t, "", argv("ack p"+d)...)
	}
	ok(t, "", argv("proc off --topic t --reclaim-timeout never"+d)...)
	ok(t, "", argv("reclaim off"+d)...)
	ok(t, "", argv("disable off"+d)...)
	// The disabled proc protects the topic; the other has no proc.
	if out := ok(t, "", argv("gc --min-prune-time 0s"+d)...); out != "topic \"free\": sequences 0 to 1 went (acknowledged)\n" {
		t.Errorf("%q", out)
	}
	out := ok(t, "", argv("gc --min-prune-time 0s --ignore-disabled --output json"+d)...)
	var p prunedJSON
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Topic != "t" || p.First != 0 || p.Next == 0 || p.Reason != "acknowledged" || p.Passed == nil {
		t.Errorf("%v, %s", err, out)
	}
	if got := ok(t, "", argv("range t --limit 1 --output id"+d)...); !strings.HasSuffix(got, "-"+itoa(int(p.Next))+"\n") {
		t.Errorf("%+v, and the first id is %s", p, got)
	}
}

func TestRetention(t *testing.T) {
	dir := store(t, numbered(3)...)
	d := " --dir " + dir
	show := func(args string) (r retentionJSON) {
		t.Helper()
		out := ok(t, "", argv("topic retention t --output json "+args+d)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil || strings.Count(out, "\n") != 1 {
			t.Fatalf("%s: %v in %s", args, err, out)
		}
		return r
	}
	none := retentionJSON{Topic: "t", GC: "inherit", IgnoreDisabled: "inherit"}
	for _, c := range []struct {
		args string
		want retentionJSON
	}{
		{"", none},
		{"--max-age 24h", retentionJSON{Topic: "t", MaxAge: 86400000, GC: "inherit", IgnoreDisabled: "inherit"}},
		{"--max-bytes 1MiB --force", retentionJSON{Topic: "t", MaxAge: 86400000, MaxBytes: 1 << 20, Force: true, GC: "inherit", IgnoreDisabled: "inherit"}},
		{"--gc off --min-prune-time 1m", retentionJSON{Topic: "t", MaxAge: 86400000, MaxBytes: 1 << 20, Force: true, GC: "off", MinPruneTime: 60000, IgnoreDisabled: "inherit"}},
		{"--max-bytes 0 --gc on", retentionJSON{Topic: "t", MaxAge: 86400000, Force: true, GC: "on", MinPruneTime: 60000, IgnoreDisabled: "inherit"}},
		{"--force=false --max-age 0s", retentionJSON{Topic: "t", GC: "on", MinPruneTime: 60000, IgnoreDisabled: "inherit"}},
		{"--clear --max-age 1h", retentionJSON{Topic: "t", MaxAge: 3600000, GC: "inherit", IgnoreDisabled: "inherit"}},
		{"--clear", none},
	} {
		for _, args := range []string{c.args, ""} {
			if got := show(args); got != c.want {
				t.Errorf("%q: %+v, want %+v", args, got, c.want)
			}
		}
	}
	if out := ok(t, "", argv("topic retention t --max-age 1h"+d)...); !strings.Contains(out, "max age         1h0m0s\nmax bytes       no limit\n") {
		t.Errorf("%s", out)
	}
	fails(t, exitUsage, "", argv("topic retention t --clear --force"+d), "--max-age", "--help")
	fails(t, exitError, "", argv("topic retention u"+d), "invalid_topic:")
	fails(t, exitError, "", argv("topic retention u --max-age 1h"+d), "invalid_topic:")
}

func TestRetentionIsDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	var old strings.Builder
	for i := range 3 {
		old.WriteString(`{"id":"1000-` + itoa(i) + `","body":1}` + "\n")
	}
	ok(t, old.String(), "import", "old", "--dir", dir)
	ok(t, "", argv("proc slow --topic old --dir "+dir)...)
	ok(t, "", argv("topic retention old --max-age 1h --dir "+dir)...)
	if r := runs(t, "", argv("gc --dir "+dir)...); r.out != "" { // a proc has not seen them
		t.Errorf("%+v", r)
	}
	ok(t, "", argv("topic retention old --force --dir "+dir)...)
	if out := ok(t, "", argv("gc --dir "+dir)...); out != "topic \"old\": sequences 0 to 2 went (age); not seen by slow\n" {
		t.Errorf("%q", out)
	}
}
