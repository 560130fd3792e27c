package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func records(t *testing.T, dir, topic string) (out []pipeproc.Record) {
	t.Helper()
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for r, err := range n.Range(t.Context(), topic, pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		r.Topic = ""
		out = append(out, r)
	}
	return out
}

func TestExportImportExact(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: pipeproc.SyncNever})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	random := func(limit int) []byte {
		b := make([]byte, r.IntN(limit))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	texts := []string{"", " ", "{}", "{}\n", `{"a": 1.50}`, " 1", "1\r\n", "null", `"x"`, "x", "\u2028", "ü", "\xff\xfe", "\x00", `"\ud800"`, "\ufffd"}
	for i := range 3000 {
		rec := pipeproc.Record{Topic: "t", Body: random(200)}
		if i < len(texts)*2 {
			rec.Body = []byte(texts[i/2])
			rec.Key = rec.Body
		}
		if i%3 == 0 {
			rec.Key = random(10)
		}
		for range r.IntN(3) {
			rec.Headers = append(rec.Headers, pipeproc.Header{Name: string(random(5)), Value: random(5)})
		}
		if i%5 == 0 {
			rec.Headers = append(rec.Headers, pipeproc.Header{Name: "trace", Value: []byte("1")})
		}
		if _, err := n.Commit(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	want := records(t, dir, "t")

	file, other := filepath.Join(t.TempDir(), "x.jsonl"), filepath.Join(t.TempDir(), "other")
	exported := ok(t, "", "export", "t", "--dir", dir)
	ok(t, "", "export", "t", file, "--dir", dir)
	ok(t, "", "export", "t", file, "--dir", dir) // replaces it
	if b, err := os.ReadFile(file); err != nil || string(b) != exported {
		t.Errorf("the file differs from the output: %v", err)
	}
	ok(t, "", "import", "f", file, "--dir", other)
	ok(t, exported, "import", "s", "--dir", other)
	ok(t, exported, "import", "z", "-", "--compression", "zstd", "--dir", other)
	for _, topic := range argv("f s z") {
		got := records(t, other, topic)
		if len(got) != len(want) {
			t.Fatalf("%s: %d records", topic, len(got))
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%s: record %d\n got %q\nwant %q", topic, i, got[i], want[i])
			}
		}
		if again := ok(t, "", "export", topic, "--dir", other); again != exported {
			t.Errorf("%s: the second export differs", topic)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("export left %v", entries)
	}
}

func TestExportToNowhere(t *testing.T) {
	dir := store(t, "x")
	fails(t, exitError, "", []string{"export", "t", filepath.Join(dir, "no", "file"), "--dir", dir}, "no such file")
	file := filepath.Join(t.TempDir(), "x")
	fails(t, exitError, "", []string{"export", "u", file, "--dir", dir}, "invalid_topic")
	if _, err := os.Stat(file); err == nil {
		t.Error("a failed export left a file")
	}
	fails(t, exitError, "", []string{"export", "t", dir, "--dir", dir}, "directory")
}

func TestImport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	line := func(ms int64, seq int) string { return fmt.Sprintf(`{"id":"%d-%d","body":%d}`+"\n", ms, seq, seq) }
	now := time.Now().UnixMilli()

	ok(t, line(1000, 3)+line(1000, 4)+line(2000, 9), "import", "gaps", "--dir", dir)
	if got := ok(t, "", "range", "gaps", "--output", "id", "--dir", dir); got != "1000-3\n1000-4\n2000-9\n" {
		t.Errorf("%q", got)
	}
	if got := ok(t, "", "tail", "gaps", "--limit", "2", "--output", "id", "--dir", dir); got != "1000-4\n2000-9\n" {
		t.Errorf("tail: %q", got)
	}
	fails(t, exitError, line(3000, 10), []string{"import", "gaps", "--dir", dir}, "invalid_import", "gaps")

	for name, in := range map[string]string{
		"falling sequence": line(1000, 5) + line(1000, 5),
		"falling time":     line(1000, 5) + line(999, 6),
		"future":           line(now+48*3600*1000, 0),
		"garbage":          line(1000, 5) + "garbage\n",
		"unknown field":    `{"id":"1-1","body":1,"colour":2}` + "\n",
		"no id":            `{"body":1}` + "\n",
		"bad id":           `{"id":"1","body":1}` + "\n",
		"empty line":       "\n",
	} {
		fails(t, exitError, in, []string{"import", "bad", "--dir", dir}, "invalid_import")
		if r := runs(t, "", "length", "bad", "--dir", dir); r.code == exitOK {
			t.Errorf("%s: imported %s records", name, r.out)
		}
	}
	r := fails(t, exitError, line(1, 1)+"x\n", []string{"import", "bad", "--dir", dir}, "line 2")
	if !strings.Contains(r.err, "imported 0 records") {
		t.Errorf("%s", r.err)
	}
	var long strings.Builder
	for i := range 2000 {
		long.WriteString(line(1000, i))
	}
	fails(t, exitError, long.String()+"x\n", []string{"import", "half", "--dir", dir}, "invalid_import", "line 2001", "2000 records had been imported", "topic delete half")
	fails(t, exitError, line(1, 1), argv("import a.b --dir "+dir), "invalid_topic_format")
	ok(t, line(now+48*3600*1000, 0), "import", "future", "--force", "--dir", dir)
}
