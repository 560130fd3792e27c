package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var idLine = regexp.MustCompile(`^[0-9]+-[0-9]+$`)

func TestCommitInputs(t *testing.T) {
	long := strings.Repeat("long", 1<<20)
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"empty":      {"", nil},
		"one":        {"a\n", []string{"a"}},
		"no newline": {"a\nb", []string{"a", "b"}},
		"empty ones": {"\n\nx\n\n", []string{"", "", "x", ""}},
		"bytes":      {"a\r\n\x00\xff \n\t", []string{"a\r", "\x00\xff ", "\t"}},
		"long":       {"a\n" + long + "\nb\n", []string{"a", long, "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			r := runs(t, c.in, "commit", "t", "--dir", dir)
			if r.code != exitOK || r.out != "" || strings.Count(r.err, "\n") != 1 || !strings.HasPrefix(r.err, "committed ") {
				t.Fatalf("%+v", r)
			}
			if len(c.want) == 0 {
				fails(t, exitError, "", argv("range t --dir "+dir), "invalid_topic")
				return
			}
			if got := bodies(t, dir, "t"); !slices.Equal(got, c.want) {
				t.Errorf("got %.100q", got)
			}
			ok(t, "", "commit", "f", writeFile(t, "in", c.in), "--dir", dir)
			ok(t, c.in, "commit", "s", "-", "--dir", dir)
			for _, topic := range argv("f s") {
				if got := bodies(t, dir, topic); !slices.Equal(got, c.want) {
					t.Errorf("%s: got %.100q", topic, got)
				}
			}
		})
	}
}

// batchTimes counts the ids with each timestamp.
func batchTimes(ids []string) map[string]int {
	m := map[string]int{}
	for _, id := range ids {
		ms, _, _ := strings.Cut(id, "-")
		m[ms]++
	}
	return m
}

func TestCommitBatches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	in := strings.Join(numbered(2500), "\n") + "\n"
	for i, c := range []struct{ args, batches string }{
		{"", "in 3 batches"}, {"--batch 100", "in 25 batches"}, {"--batch 2500", "in 1 batch,"}, {"--atomic", "in 1 batch,"}, {"--batch 1", "in 2500 batches"},
	} {
		r := runs(t, in, append([]string{"--dir", dir, "--sync", "never", "commit", "t", "--ids"}, argv(c.args)...)...)
		ids := strings.Fields(r.out)
		if r.code != exitOK || len(ids) != 2500 || !strings.Contains(r.err, c.batches) || !strings.HasPrefix(r.err, "committed 2500 records to \"t\"") {
			t.Fatalf("%s: %d ids, %s", c.args, len(ids), r.err)
		}
		for j, id := range ids {
			if !idLine.MatchString(id) || !strings.HasSuffix(id, "-"+itoa(i*2500+j)) {
				t.Fatalf("%s: id %d is %s", c.args, j, id)
			}
		}
		if c.args == "--atomic" && len(batchTimes(ids)) != 1 {
			t.Errorf("atomic ids %v", batchTimes(ids))
		}
		if got := ok(t, "", "--dir", dir, "range", "t", "--start", ":"+itoa(i*2500), "--output", "id"); got != r.out {
			t.Errorf("%s: range gives other ids", c.args)
		}
	}
}

func TestCommitTooLong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	in := strings.Join([]string{"1", "2", "3", "4", "55555", "6"}, "\n")
	r := fails(t, exitError, in, argv("commit t --batch 3 --max-body 4 --dir "+dir), "too_large", "line 5", "--max-body")
	if !strings.Contains(r.err, "committed 3 records") {
		t.Errorf("no summary in %q", r.err)
	}
	if got := bodies(t, dir, "t"); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("%q", got)
	}
	fails(t, exitError, in, argv("commit u --atomic --max-body 4 --dir "+dir), "too_large", "line 5")
	fails(t, exitError, "", argv("length u --dir "+dir), "invalid_topic")
	ok(t, in, argv("commit u --atomic --max-body 5 --dir "+dir)...)

	big := strings.Repeat("x", 16<<20)
	ok(t, big+"\n", argv("commit big --dir "+dir)...)
	fails(t, exitError, big+"x\n", argv("commit big --dir "+dir), "too_large", "16777216")
	ok(t, big+"x\n", argv("commit big --max-body 17MiB --dir "+dir)...)
	if got := ok(t, "", argv("get big 1 --output body --dir "+dir)...); got != big+"x\n" {
		t.Errorf("%d bytes came back", len(got))
	}
}

func TestCommitCompression(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	ok(t, "x\n", argv("commit z --compression zstd --dir "+dir)...)
	ok(t, "x\n", argv("commit n --dir "+dir)...)
	for topic, want := range map[string]string{"z": "zstd", "n": "none"} {
		if s := ok(t, "", argv("topic info "+topic+" --dir "+dir)...); !strings.Contains(s, "compression  "+want) {
			t.Errorf("%s: %s", topic, s)
		}
	}
	if r := runs(t, "x\n", argv("commit z --compression none --dir "+dir)...); r.code != exitOK || !strings.Contains(r.err, "note: topic \"z\" is there already, with compression zstd") {
		t.Errorf("%+v", r)
	}
}

type brokenReader struct{ r io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errors.New("the cable is loose")
	}
	return n, err
}

func TestCommitBrokenInput(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	var errs strings.Builder
	code := run(t.Context(), argv("commit t --batch 2 --dir "+dir), brokenReader{strings.NewReader("a\nb\nc\nd")}, io.Discard, &errs)
	if code != exitError || !strings.Contains(errs.String(), "committed 2 records") || !strings.Contains(errs.String(), "the cable is loose") {
		t.Errorf("%d %s", code, errs.String())
	}
	if got := bodies(t, dir, "t"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "stdout", Err: io.ErrClosedPipe}
}

func TestClosedOutput(t *testing.T) {
	dir := store(t, numbered(10)...)
	for _, args := range []string{"range t", "get t 0", "length t", "topics", "tail t", "export t", "verify", "topic info t", "version", "demo",
		"proc p --topic t --reclaim-timeout never", "inspect p", "procs", "ack p", "proc p --topic t", "reclaim p", "disable p", "resume p", "seek p >", "destroy p", "procs --output json",
		"topic retention t"} {
		var errs strings.Builder
		if args != "demo" {
			args += " --dir " + dir
		}
		if code := run(t.Context(), argv(args), strings.NewReader(""), closedPipe{}, &errs); code != exitOK || errs.Len() > 0 {
			t.Errorf("%s: %d, %q", args, code, errs.String())
		}
	}
	// Not all of the input was committed, so this is not a success.
	var errs strings.Builder
	in := strings.Join(numbered(10), "\n")
	if code := run(t.Context(), argv("commit u --ids --batch 4 --dir "+dir), strings.NewReader(in), closedPipe{}, &errs); code != exitError ||
		!strings.Contains(errs.String(), "4 records had been committed") {
		t.Errorf("commit: %d, %q", code, errs.String())
	}
}
