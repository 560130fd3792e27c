package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestRange(t *testing.T) {
	dir := store(t, numbered(20)...)
	all := strings.Fields(ok(t, "", argv("range t --output id --dir "+dir)...))
	if len(all) != 20 {
		t.Fatalf("%d records", len(all))
	}
	ms, _, _ := strings.Cut(all[0], "-")
	for args, want := range map[string]string{
		"":                                          "0-19",
		"--limit 3":                                 "0-2",
		"--limit 0":                                 "0-19",
		"--limit -3":                                "0-19",
		"--start :5":                                "5-19",
		"--start :5 --end :7":                       "5-7",
		"--start :5 --end :7 --exclusive":           "6-6",
		"--start " + all[5] + " --end " + all[7]:    "5-7",
		"--start " + ms:                             "0-19",
		"--start " + ms + " --exclusive":            "0-19",
		"--end " + ms:                               "0-19",
		"--start 0 --limit 1":                       "0-0",
		"--start " + ms + "-100":                    "",
		"--start :7 --end :5":                       "",
		"--reverse":                                 "19-0",
		"--reverse --limit 2":                       "19-18",
		"--reverse --start :7 --end :5":             "7-5",
		"--reverse --start :7 --exclusive":          "6-0",
		"--reverse --start :5 --end :7":             "",
		"--reverse --start " + ms + " --limit 1":    "19-19",
		"--reverse --end :18 --exclusive --limit=9": "19-19",
	} {
		got := strings.Fields(ok(t, "", argv("range t --output id --dir "+dir+" "+args)...))
		text := ""
		if len(got) > 0 {
			seq := func(id string) string { _, s, _ := strings.Cut(id, "-"); return s }
			text = seq(got[0]) + "-" + seq(got[len(got)-1])
		}
		if text != want {
			t.Errorf("%s: %s, want %s", args, text, want)
		}
	}
	for args, code := range map[string]string{
		"nope":                   "invalid_topic:",
		"nope --start x":         "invalid_topic:",
		"a.b":                    "invalid_topic",
		"t --start x":            "invalid_range_offset:",
		"t --start -5":           "invalid_range_offset:",
		"t --end :":              "invalid_range_offset:",
		"t --end 1-x":            "invalid_range_offset:",
		"t --start :99":          "invalid_tone_id_search:",
		"t --reverse --end :20":  "invalid_tone_id_search:",
		"t --start :99 --end :x": "invalid_range_offset:",
	} {
		if r := fails(t, exitError, "", argv("range --dir "+dir+" "+args), code); r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

func TestRecordForms(t *testing.T) {
	dir := store(t, `{"a": 12345678901234567890}`, "text", "", "\xff")
	ids := strings.Fields(ok(t, "", argv("range t --output id --dir "+dir)...))
	want := `{"id":"` + ids[0] + `","body":{"a": 12345678901234567890}}` + "\n" +
		`{"id":"` + ids[1] + `","body":"text"}` + "\n" +
		`{"id":"` + ids[2] + `","body":""}` + "\n" +
		`{"id":"` + ids[3] + `","body":"/w==","encoding":"base64"}` + "\n"
	for _, args := range []string{"range t", "range t --output json", "tail t"} {
		if got := ok(t, "", argv(args+" --dir "+dir)...); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", args, got, want)
		}
	}
	bodies := "{\"a\": 12345678901234567890}\ntext\n\n\xff\n"
	for _, args := range []string{"range t --output body", "tail t --output body"} {
		if got := ok(t, "", argv(args+" --dir "+dir)...); got != bodies {
			t.Errorf("%s: %q", args, got)
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(want, "\n"), "\n") {
		for _, seq := range []string{itoa(i), ":" + itoa(i)} {
			if got := ok(t, "", "get", "t", seq, "--dir", dir); got != line+"\n" {
				t.Errorf("get %s: %s", seq, got)
			}
		}
	}
	if got := ok(t, "", argv("get t 1 --output body --dir "+dir)...); got != "text\n" {
		t.Errorf("get body: %q", got)
	}
	if got := ok(t, "", argv("get t 1 --output id --dir "+dir)...); got != ids[1]+"\n" {
		t.Errorf("get id: %q", got)
	}
	fails(t, exitError, "", argv("get t 4 --dir "+dir), "invalid_tone_id_search")
	fails(t, exitError, "", argv("get u 4 --dir "+dir), "invalid_topic")
	if got := ok(t, "", argv("length t --dir "+dir)...); got != "4\n" {
		t.Errorf("length %q", got)
	}
	fails(t, exitError, "", argv("length u --dir "+dir), "invalid_topic")
}

func TestTopics(t *testing.T) {
	dir := store(t, numbered(3)...)
	if got := ok(t, "", argv("topic create logs --segment-size 1MiB --compression zstd --dir "+dir)...); got != "created topic \"logs\"\n" {
		t.Errorf("create: %q", got)
	}
	fails(t, exitError, "", argv("topic create logs --dir "+dir), "topic_exists")
	fails(t, exitError, "", argv("topic create a.b --dir "+dir), "invalid_topic_format")
	lines := strings.Split(ok(t, "", argv("topics --output json --dir "+dir)...), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	var logs, tt topicJSON
	if json.Unmarshal([]byte(lines[0]), &logs) != nil || json.Unmarshal([]byte(lines[1]), &tt) != nil {
		t.Fatalf("%q", lines)
	}
	if logs.Name != "logs" || logs.Records != 0 || logs.SegmentSize != 1<<20 || logs.Compression != "zstd" {
		t.Errorf("%+v", logs)
	}
	if tt.Name != "t" || tt.Records != 3 || tt.First != 0 || tt.Next != 3 || tt.LastTime == 0 || tt.Compression != "none" {
		t.Errorf("%+v", tt)
	}
	table := ok(t, "", argv("topics --dir "+dir)...)
	if rows := strings.Split(table, "\n"); len(rows) != 4 || !strings.HasPrefix(rows[0], "NAME  RECORDS") || !strings.HasPrefix(rows[2], "t           3") {
		t.Errorf("%s", table)
	}
	if got := ok(t, "", argv("topic info logs --output json --dir "+dir)...); got != lines[0]+"\n" {
		t.Errorf("info: %s", got)
	}
	if got := ok(t, "", argv("topic delete t --dir "+dir)...); got != "deleted topic \"t\" with 3 records\n" {
		t.Errorf("delete: %q", got)
	}
	fails(t, exitError, "", argv("topic delete t --dir "+dir), "invalid_topic")
	fails(t, exitError, "", argv("topic info t --dir "+dir), "invalid_topic")
	ok(t, "", argv("topic delete logs --dir "+dir)...)
	if r := runs(t, "", argv("topics --dir "+dir)...); r.code != exitOK || !strings.Contains(r.err, "no topics") {
		t.Errorf("%+v", r)
	}
	ok(t, "", argv("topic create fresh --dir "+dir+"/../new")...) // makes the directory
}

func TestTail(t *testing.T) {
	dir := store(t, numbered(12)...)
	for args, want := range map[string]int{"": 10, "--limit 3": 3, "--limit 0": 0, "--limit 100": 12} {
		got := strings.Split(ok(t, "", argv("tail t --output body --dir "+dir+" "+args)...), "\n")
		if len(got) != want+1 || want > 0 && (got[0] != "line "+itoa(12-want) || got[want-1] != "line 11") {
			t.Errorf("%s: %q", args, got)
		}
	}
	fails(t, exitError, "", argv("tail u --dir "+dir), "invalid_topic")
	ok(t, "", argv("topic create empty --dir "+dir)...)
	if got := ok(t, "", argv("tail empty --dir "+dir)...); got != "" {
		t.Errorf("%q", got)
	}
}

func TestTailFollow(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	commit := func(body string) {
		if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: []byte(body)}); err != nil {
			t.Error(err)
		}
	}
	for i := range 5 {
		commit(itoa(i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		a := &app{stdout: w, stderr: io.Discard}
		done <- a.tail(ctx, n, "t", 2, true, printer{a.lines(), "body"})
	}()
	lines := bufio.NewScanner(r)
	for i := 3; i < 10; i++ {
		if i >= 5 {
			commit(itoa(i))
		}
		if !lines.Scan() || lines.Text() != itoa(i) {
			t.Fatalf("%q, want %d", lines.Text(), i)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
