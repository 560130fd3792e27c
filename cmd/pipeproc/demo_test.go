package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

func TestDemo(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := runs(t, "", "demo")
	if r.code != exitOK || r.err != "" {
		t.Fatalf("%+v", r)
	}
	for _, s := range []string{"ingest       2,140", "parse        2,140      22      5", "aggregate    2,140      22      5", "2,140 lines through three stages",
		"--sync always", "claims failed on purpose", "status      1,536   71.8%", "all         2,140  100.0%", "right: a count of all 2,140 lines", "$ pipeproc get lines 1070",
		"00 records of 20", "below 2140", "events    2,140", "clean: ", "Next"} {
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

// lastTotals reads the latest totals of a demo.
func lastTotals(t *testing.T, dir string) (sum totals) {
	t.Helper()
	if err := json.Unmarshal([]byte(ok(t, "", "tail", "totals", "--limit", "1", "--output", "body", "--dir", dir)), &sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestDemoKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for i := range 2 { // the second adds to the first
		out := ok(t, "", "demo", "--dir", dir)
		if !strings.Contains(out, "procs --dir "+dir) || !strings.Contains(out, "right: a count of all "+count((i+1)*2140)) {
			t.Errorf("%s", out)
		}
	}
	if got := ok(t, "", "range", "lines", "--limit", "2140", "--output", "body", "--dir", dir); got != string(sampleLog) {
		t.Error("the lines differ from the file")
	}
	if got := ok(t, "", "get", "events", "2143", "--dir", dir); !strings.Contains(got, `"body":{"line":2143,"at":"2025-06-24T14:42:06","action":"status","package":"liblocale-gettext-perl"`) ||
		!strings.Contains(got, `"key":"status"`) {
		t.Errorf("%s", got)
	}
	if sum := lastTotals(t, dir); sum.Lines != 4280 || sum.Parts != 44 || sum.Counts["upgrade"] != 74 {
		t.Errorf("%+v", sum)
	}
	var s pipeproc.SystemProcInfo
	line, _, _ := strings.Cut(ok(t, "", "system-procs", "--output", "json", "--dir", dir), "\n")
	if err := json.Unmarshal([]byte(line), &s); err != nil || s.Name != "aggregate" || s.From[0] != "events" || s.To[0] != "counts" || s.Procs[0] != "aggregate" {
		t.Errorf("%v %s", err, line)
	}
	if got := ok(t, "", "system-procs", "--dir", dir); !strings.HasPrefix(got, "NAME") || !strings.Contains(got, "\nparse") || strings.Count(got, "\n") != 4 {
		t.Errorf("%s", got)
	}
	ok(t, "", "gc", "--min-prune-time", "0s", "--dir", dir)
	if out := ok(t, "", "demo", "--dir", dir); !strings.Contains(out, "not possible: lines of an earlier demo were pruned") {
		t.Errorf("%s", out)
	}
}

func TestDemoOnOtherFiles(t *testing.T) {
	out := ok(t, "", "demo", writeFile(t, "f", "one two\n\x1b[31mred\xff\n\n{\"one\":1}"))
	for _, s := range []string{"4 lines through", "(none)          2", "one             2", "right: a count of all 4 lines", "clean: "} {
		if !strings.Contains(out, s) {
			t.Errorf("no %q in\n%s", s, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("control characters of the file came through")
	}
	ok(t, "one line", "demo", "-")
	ok(t, strings.Join(numbered(5000), "\n"), "demo", "-")
	var many strings.Builder // more keys than totals hold
	for i := range maxKeys + 100 {
		many.WriteString("key" + itoa(i) + "\nkey" + itoa(i) + "\n")
	}
	if out := ok(t, many.String(), "demo", "-"); !strings.Contains(out, "right: a count of all 2,200 lines") || !strings.Contains(out, "others      2,184") {
		t.Errorf("%s", out)
	}
	fails(t, exitError, "", []string{"demo", "-"}, "empty")
	fails(t, exitError, "", []string{"demo", "nowhere"}, "nowhere")
}

// A demo that is killed at any point still counts every line exactly once in
// the end.
func TestDemoKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for range 3 {
		s := start(t, "demo", "-", "--dir", dir)
		if _, err := io.WriteString(s.in, strings.Join(numbered(10000), "\n")); err != nil {
			t.Fatal(err)
		}
		if err := s.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for s.out.Scan() {
		}
		_ = s.Wait() // it was killed
	}
	out := ok(t, "the last line\n", "demo", "-", "--dir", dir)
	n := strings.TrimSpace(ok(t, "", "length", "lines", "--dir", dir))
	if sum := lastTotals(t, dir); itoa(int(sum.Lines)) != n || sum.Counts["line"] != sum.Lines-1 || sum.Counts["the"] != 1 || !strings.Contains(out, "right: ") {
		t.Errorf("%s lines, %+v\n%s", n, sum, out)
	}
}

// A stage that cannot continue is reported and does not keep the demo waiting.
func TestDemoGivesUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	ok(t, "not a sum\n", "commit", "totals", "--dir", dir)
	fails(t, exitError, "", []string{"demo", "--dir", dir}, "stage report gave up", "topic totals was not made by this demo")
	ok(t, "", "resume", "report", "--dir", dir)
}

func TestParsePackageLine(t *testing.T) {
	for line, want := range map[string]packageEvent{
		"2026-05-20 16:27:25 upgrade libpq5:amd64 15.1 15.2": {At: "2026-05-20T16:27:25", Action: "upgrade", Package: "libpq5", Arch: "amd64", From: "15.1", To: "15.2"},
		"2026-05-20 16:27:25 install jq:amd64 <none> 1.6":    {At: "2026-05-20T16:27:25", Action: "install", Package: "jq", Arch: "amd64", To: "1.6"},
		"2026-05-20 16:27:25 status installed jq:amd64 1.6":  {At: "2026-05-20T16:27:25", Action: "status", Package: "jq", Arch: "amd64", State: "installed", To: "1.6"},
		"2026-05-20 16:27:25 startup archives unpack":        {At: "2026-05-20T16:27:25", Action: "startup", State: "archives unpack"},
	} {
		if e, ok := parsePackageLine(line); !ok || e != want {
			t.Errorf("%s: %+v", line, e)
		}
	}
	for _, line := range []string{"", "a", "2026-05-20 16:27:25 upgrade", "2026-05-20 16:27:25 dance jq 1 2", "x y upgrade jq 1 2", "2026-05-20 16:27:25 status x"} {
		if _, ok := parsePackageLine(line); ok {
			t.Errorf("%q was parsed", line)
		}
	}
}

func TestFirstWord(t *testing.T) {
	for line, want := range map[string]string{
		"": "(none)", "12 34": "(none)", "Hello, world": "hello", "x yes": "yes",
		"Jun  4 14:42:05 host sshd[12]: hi":        "host",
		"2025-06-24T14:42:05Z [ERROR] disk":        "error",
		`{"level":"info"}`:                         "level",
		"\xff\xfe über":                            "über",
		strings.Repeat("long", 20):                 strings.Repeat("long", 6),
		"2026-05-20 16:27:25 status installed x y": "status",
	} {
		if got := firstWord(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestLive(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var out strings.Builder
	a := &app{stdout: &out}
	d := &demo{app: a, text: newDemoText(a), node: n, in: newLineReader(strings.NewReader(strings.Repeat("a b\n", 40)), 10)}
	d.ingested.size, d.ingested.perBatch = 320, 10 // of which half comes
	if err := d.define(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := d.newLive()
	v.draw()
	frame := out.String()
	if strings.Count(frame, "\n") != 5 || strings.Count(frame, "  0%") != 4 {
		t.Errorf("%q", frame)
	}
	if err := d.ingest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.WaitForProcs(t.Context()); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	v.draw()
	if frame = out.String(); !strings.HasPrefix(frame, "\x1b[5A") || strings.Count(frame, "\n") != 5 || strings.Count(frame, " 50%") != 4 {
		t.Errorf("%q", frame)
	}
	out.Reset()
	v.stop()
	if out.String() != "\x1b[5A\x1b[J" {
		t.Errorf("%q", out.String())
	}
	if d.live(); out.String() != "\x1b[5A\x1b[J" {
		t.Error("a view without a terminal")
	}
}

func TestBar(t *testing.T) {
	for part, want := range map[float64]string{0: strings.Repeat("·", barWidth), 1: strings.Repeat("█", barWidth), 2: strings.Repeat("█", barWidth),
		0.5: strings.Repeat("█", barWidth/2) + strings.Repeat("·", barWidth/2), 1.0 / barWidth / 2: "▌" + strings.Repeat("·", barWidth-1)} {
		if got := bar(part); got != want {
			t.Errorf("%v: %q", part, got)
		}
	}
}
