package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := runs(t, "", "demo")
	if r.code != exitOK || r.err != "" {
		t.Fatalf("%+v", r)
	}
	for _, s := range []string{"4,280: 2,140 lines and 2,140 events", "upgrades", "installs", "--sync always", "22 ", "$ pipeproc get lines 1070",
		"records committed in that millisecond", `"action":"upgrade"`, "clean: ", "Next"} {
		if !strings.Contains(r.out, s) {
			t.Errorf("no %q in\n%s", s, r.out)
		}
	}
	if strings.Contains(r.out, "\x1b") {
		t.Error("colours without a terminal")
	}
	if entries, _ := os.ReadDir(tmp); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestDemoKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for range 2 { // the second adds to the first
		out := ok(t, "", "demo", "--dir", dir)
		if !strings.Contains(out, "topics --dir "+dir) {
			t.Errorf("no way on in\n%s", out)
		}
	}
	if got := ok(t, "", "length", "lines", "--dir", dir); got != "4280\n" {
		t.Errorf("%s lines", got)
	}
	if got := ok(t, "", "range", "lines", "--limit", "2140", "--output", "body", "--dir", dir); got != string(sampleLog) {
		t.Error("the lines differ from the file")
	}
	if got := ok(t, "", "range", "upgrades", "--start", ":37", "--limit", "1", "--dir", dir); !strings.Contains(got, `"body":{"line":2`) || !strings.Contains(got, `"key":"`) {
		t.Errorf("%s", got)
	}
}

func TestDemoOnOtherFiles(t *testing.T) {
	out := ok(t, "", "demo", writeFile(t, "f", "one two\n\x1b[31mred\xff\n\n{\"a\":1}"))
	for _, s := range []string{"8: 4 lines and 4 events", "words", "clean: "} {
		if !strings.Contains(out, s) {
			t.Errorf("no %q in\n%s", s, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("control characters of the file came through")
	}
	ok(t, "one line", "demo", "-")
	ok(t, strings.Join(numbered(5000), "\n"), "demo", "-")
	fails(t, exitError, "", []string{"demo", "-"}, "empty")
	fails(t, exitError, "", []string{"demo", "nowhere"}, "nowhere")
}

func TestParsePackageLine(t *testing.T) {
	for line, want := range map[string]packageEvent{
		"2026-05-20 16:27:25 upgrade libpq5:amd64 15.1 15.2": {At: "2026-05-20T16:27:25", Action: "upgrade", Package: "libpq5", Arch: "amd64", From: "15.1", To: "15.2"},
		"2026-05-20 16:27:25 install jq:amd64 <none> 1.6":    {At: "2026-05-20T16:27:25", Action: "install", Package: "jq", Arch: "amd64", To: "1.6"},
		"2026-05-20 16:27:25 status installed jq:amd64 1.6":  {At: "2026-05-20T16:27:25", Action: "status", Package: "jq", Arch: "amd64", State: "installed", To: "1.6"},
		"2026-05-20 16:27:25 startup archives unpack":        {At: "2026-05-20T16:27:25", Action: "startup", State: "archives unpack"},
	} {
		if _, e, ok := parsePackageLine([]byte(line)); !ok || e != want {
			t.Errorf("%s: %+v", line, e)
		}
	}
	for _, line := range []string{"", "a", "2026-05-20 16:27:25 upgrade", "2026-05-20 16:27:25 dance jq 1 2", "x y upgrade jq 1 2", "2026-05-20 16:27:25 status x"} {
		if _, _, ok := parsePackageLine([]byte(line)); ok {
			t.Errorf("%q was parsed", line)
		}
	}
}
