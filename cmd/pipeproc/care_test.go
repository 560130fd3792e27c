package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// damaged makes a store with topics a and b, with one segment of a damaged, and
// returns it with the number of records in each topic.
func damaged(t *testing.T) (string, int) {
	t.Helper()
	dir, records := filepath.Join(t.TempDir(), "d"), 3000
	n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: pipeproc.SyncNever, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}, WALSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for range records / 100 {
		var b pipeproc.Batch
		for range 100 {
			_ = b.Add("a", []byte(strings.Repeat("a", 100)))
			_ = b.Add("b", []byte(strings.Repeat("b", 100)))
		}
		if err := n.CommitBatch(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "segments", "*"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), strings.Repeat("a", 100)); i >= 0 {
			b[i+50] ^= 1
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return dir, records
		}
	}
	t.Fatalf("no segment to damage in %v", files)
	return "", 0
}

func TestDamage(t *testing.T) {
	dir, records := damaged(t)
	d := " --dir " + dir

	r := fails(t, exitError, "", argv("range a --output id"+d), "corrupt", `topic "a"`, "pipeproc repair")
	got := strings.Count(r.out, "\n")
	if got == 0 || got >= records {
		t.Errorf("%d records of %d", got, records)
	}
	if n := strings.Count(fails(t, exitError, "", argv("range a --reverse"+d), "corrupt").out, "\n"); n != got {
		t.Errorf("%d records in reverse, %d forward", n, got)
	}
	file := filepath.Join(t.TempDir(), "x")
	fails(t, exitError, "", argv("export a "+file+d), "corrupt")
	if b, _ := os.ReadFile(file); strings.Count(string(b), "\n") != got {
		t.Error("export lost other records")
	}
	if n := strings.Count(ok(t, "", argv("range b"+d)...), "\n"); n != records {
		t.Errorf("%d records of b", n)
	}

	fails(t, exitError, "", argv("verify"+d), "corrupt", "1 damaged place", "pipeproc repair")
	r = fails(t, exitError, "", argv("verify --output json"+d), "corrupt")
	var v verifyJSON
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.Clean || len(v.Damage) != 1 || v.Damage[0].Topic != "a" ||
		v.Damage[0].Next-v.Damage[0].First != uint64(records-got) || strings.Count(r.out, "\n") != 1 {
		t.Errorf("%v %s", err, r.out)
	}
	fails(t, exitError, "", argv("restore "+dir+" --dir "+dir+"2"), "corrupt")

	r = fails(t, exitError, "y\n", argv("repair"+d), "--yes")
	if r.out != "" || !strings.Contains(r.err, `corrupt: topic "a"`) {
		t.Errorf("%+v", r)
	}
	fails(t, exitError, "", argv("verify"+d), "corrupt") // nothing was changed

	out := ok(t, "", argv("repair --yes --output json"+d)...)
	var rj repairJSON
	if err := json.Unmarshal([]byte(out), &rj); err != nil || !rj.Changed || len(rj.Dropped) != 1 || rj.Before.Clean || !rj.After.Clean {
		t.Errorf("%v %s", err, out)
	}
	if !strings.HasPrefix(ok(t, "", argv("verify"+d)...), "clean: ") {
		t.Error("not clean after the repair")
	}
	if !strings.HasPrefix(ok(t, "", argv("repair"+d)...), "nothing to repair") {
		t.Error("a second repair found something")
	}
	if n := ok(t, "", argv("length a"+d)...); n != itoa(got)+"\n" {
		t.Errorf("%s records are left, want %d", n, got)
	}
	ok(t, "new\n", argv("commit a"+d)...)
}

func TestRepairText(t *testing.T) {
	dir, _ := damaged(t)
	out := ok(t, "", "repair", "--yes", "--dir", dir)
	for _, s := range []string{"found: corrupt: topic \"a\"", "did: ", "dropped: topic \"a\": sequences ", "now clean: "} {
		if !strings.Contains(out, s) {
			t.Errorf("no %q in\n%s", s, out)
		}
	}
}

func TestVerifyClean(t *testing.T) {
	dir := store(t, numbered(3)...)
	if s := ok(t, "", "verify", "--dir", dir); !strings.HasPrefix(s, "clean: ") {
		t.Errorf("%s", s)
	}
	var v verifyJSON
	if err := json.Unmarshal([]byte(ok(t, "", argv("verify --output json --dir "+dir)...)), &v); err != nil || !v.Clean || v.Topics != 1 || v.Damage == nil || v.Warnings == nil {
		t.Errorf("%v %+v", err, v)
	}
}

func TestBackupRestoreDump(t *testing.T) {
	dir := store(t, numbered(2000)...)
	want := ok(t, "", "range", "t", "--dir", dir)
	backup, back := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "r")
	if s := ok(t, "", "backup", backup, "--dir", dir); !strings.HasPrefix(s, "backed up ") {
		t.Errorf("%s", s)
	}
	fails(t, exitError, "", []string{"backup", backup, "--dir", dir}, "not empty")
	if s := ok(t, "", "restore", backup, "--dir", back); s != "restored "+backup+" to "+back+"\n" {
		t.Errorf("%s", s)
	}
	fails(t, exitError, "", []string{"restore", backup, "--dir", back}, "not empty")
	for _, d := range []string{backup, back} {
		if got := ok(t, "", "range", "t", "--dir", d); got != want {
			t.Errorf("%s differs", d)
		}
	}
	if s := ok(t, "", "dump", filepath.Join(dir, "STORE")); !strings.Contains(s, "store ") {
		t.Errorf("%s", s)
	}
	fails(t, exitError, "", []string{"dump", writeFile(t, "x", "garbage")}, "no file of a pipeproc store")
	fails(t, exitError, "", argv("dump nowhere"), "nowhere")
}
