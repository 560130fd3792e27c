//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/vfs"
)

// tree lists everything below dir.
func tree(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	out := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		rel, _ := filepath.Rel(dir, path)
		out[rel] = fi.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var pathTricks = []string{"..", ".", "../x", "/etc/passwd", "a/b", "a\\b", "a\x00b", "a\nb", "CON", "~", "$HOME", "%2e%2e", "..%2f", "a b", "\u202e", "é", " ",
	"-", "--help", "LOCK", "STORE", "wal", "segments", strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("../", 80)}

// TestSecurityNames: whatever a topic, a proc or a namespace is called, no file is
// created outside of the data directory, and none is named after it.
func TestSecurityNames(t *testing.T) {
	ctx := t.Context()
	root := t.TempDir()
	dir := filepath.Join(root, "data")
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	taken, refused := 0, 0
	for _, name := range pathTricks {
		_, err := n.Commit(ctx, pipeproc.Record{Topic: name, Body: []byte(name)})
		legal := name != "" && len(name) <= 255
		for _, c := range name {
			legal = legal && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
		}
		if legal != (err == nil) || err != nil && !errors.Is(err, pipeproc.ErrInvalidTopicFormat) {
			t.Errorf("topic %q: %v", name, err)
		}
		if err == nil {
			taken++
		} else {
			refused++
		}
		if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: name, Topic: "t"}); err == nil {
			taken++
		} else {
			refused++
		}
		if err := n.CreateTopic(ctx, name, pipeproc.TopicOptions{}); err == nil {
			t.Errorf("topic %q was created twice, or should not have been", name)
		}
		if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: name}); err == nil && !legal {
			t.Errorf("a proc reads topic %q", name)
		}
		if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "q", Topic: "t", Retry: pipeproc.RetryPolicy{DeadLetterTopic: name, OnMaxReclaims: pipeproc.StrategyDeadLetter}}); err == nil && !legal && name != "" {
			t.Errorf("dead letters go to topic %q", name)
		}
		_, _ = n.DestroyProc(ctx, "q")
		_, _ = n.DestroyProc(ctx, "p")
	}
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range tree(t, root) {
		switch base := filepath.Base(name); {
		case name == "." || name == "data" || name == "data/wal/mark" || name == "data/wal" || name == "data/segments" || name == "data/quarantine":
		case strings.HasPrefix(name, "data/") && (base == "STORE" || base == "LOCK" || base == "snapshot-0" || base == "snapshot-1" ||
			strings.HasPrefix(name, "data/wal/wal-") || strings.HasPrefix(name, "data/segments/0") && strings.HasSuffix(base, ".seg")):
		default:
			t.Errorf("a file %q", name)
		}
	}
	addresses := 0
	for _, name := range pathTricks {
		a, err := transport.Namespace(name)
		if err != nil {
			continue
		}
		addresses++
		if strings.Contains(a.Path, "..") || strings.ContainsAny(filepath.Base(a.Path), "\x00\n/") || filepath.Clean(a.Path) != a.Path {
			t.Errorf("namespace %q is at %q", name, a.Path)
		}
	}
	fmt.Printf("security: %d names with tricks: %d taken, %d refused, %d of them namespaces; no file outside\n", len(pathTricks), taken, refused, addresses)
}

// TestSecurityModes: nothing that is created can be read by others, whatever the
// umask says: not the store, backups, or what a repair puts aside.
func TestSecurityModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	root := t.TempDir()
	dir := filepath.Join(root, "deep", "data")
	n := fileStore(t, dir, 600)
	if _, err := n.Backup(t.Context(), filepath.Join(root, "copies", "backup")); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := edit(glob(dir, "segments/*")[0], func(b []byte) { b[5000] ^= 1 }); err != nil {
		t.Fatal(err)
	}
	if rep, err := pipeproc.Repair(t.Context(), dir, nil); err != nil || !rep.Changed {
		t.Fatalf("%+v, %v", rep, err)
	}
	n, err := pipeproc.Open(dir, fileOptions())
	if err != nil {
		t.Fatal(err)
	}
	fileAdd(t, n, 600, 900)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	count := 0
	for name, m := range tree(t, root) {
		if name == "." {
			continue
		}
		count++
		want := fs.FileMode(0o600)
		if m.IsDir() {
			want = 0o700
		}
		if m.Perm() != want || m&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			t.Errorf("%s has mode %v", name, m)
		}
	}
	if len(glob(dir, "quarantine/*")) == 0 {
		t.Error("the repair has put nothing aside")
	}
	fmt.Printf("security: %d files and folders under umask 0: all 0600 and 0700\n", count)
}

// TestSecurityLinks: a file of the store that is a link is not followed, so that
// nobody who can put one there gets another file read or overwritten. The data
// directory itself may be a link: operators do that.
func TestSecurityLinks(t *testing.T) {
	root := t.TempDir()
	made := filepath.Join(root, "made")
	if err := fileStore(t, made, 600).Close(); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(root, "precious")
	list, _ := storeFiles(made)
	links := 0
	for i := range append(list, "LOCK") {
		for _, alive := range []bool{true, false} {
			dir := filepath.Join(root, fmt.Sprint("copy", i, alive))
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			p := filepath.Join(dir, "LOCK")
			if i < len(list) {
				rel, _ := filepath.Rel(made, list[i])
				p = filepath.Join(dir, rel)
			}
			b, err := os.ReadFile(p)
			if err == nil {
				err = errors.Join(os.WriteFile(precious, b, 0o600), os.Remove(p))
			}
			target := precious
			if !alive {
				target = filepath.Join(root, "not there")
			}
			if err := errors.Join(err, os.Symlink(target, p)); err != nil {
				t.Fatal(err)
			}
			links++
			when := fmt.Sprintf("%s is a link", filepath.Base(p))
			if n, err := pipeproc.Open(dir, fileOptions()); err != nil {
				clear(t, when, err)
			} else {
				look(t, when, n, 600)
				_, _ = n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: []byte("more")})
				_ = n.Checkpoint(t.Context())
				_ = n.Close()
			}
			_, _ = pipeproc.Repair(t.Context(), dir, nil)
			if now, err := os.ReadFile(precious); err != nil || string(now) != string(b) {
				t.Errorf("%s: the file behind it was changed: %v", when, err)
			}
			if _, err := os.Lstat(filepath.Join(root, "not there")); err == nil {
				t.Errorf("%s: the file behind it was made", when)
			}
		}
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(made, link); err != nil {
		t.Fatal(err)
	}
	n, err := pipeproc.Open(link, fileOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if missing, said := look(t, "through a link", n, 600); missing > 0 || len(said) > 0 {
		t.Errorf("%d missing, %v", missing, said)
	}
	if _, err := pipeproc.Open(made, fileOptions()); !errors.Is(err, pipeproc.ErrInUse) {
		t.Errorf("opened under two names: %v", err)
	}
	fmt.Printf("security: %d files of a store replaced by links: none followed\n", links)
}

// TestSecurityIntegers: numbers at their limits, from a client and from a caller,
// are an error or an empty answer, in no time and little memory, and the node
// goes on.
func TestSecurityIntegers(t *testing.T) {
	n, err := pipeproc.Open("data", &pipeproc.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr, err := transport.ParseAddr("unix://" + t.TempDir() + "/s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := transport.Listen(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, nil) }()
	defer func() { cancel(); <-done }()
	c, err := rpc.Connect(ctx, addr.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	numbers := []uint64{3, 4, math.MaxInt32, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}
	calls := 0
	for _, s := range []pipeproc.Store{n, c} {
		for _, k := range numbers {
			calls++
			if _, err := s.Get(ctx, "t", k); err == nil {
				t.Errorf("record %d", k)
			}
			ranges := []pipeproc.RangeOptions{{Limit: int(k)}, {Limit: -int(k)}}
			bounds := []pipeproc.Bound{pipeproc.AtSeq(k), pipeproc.AtTime(time.UnixMilli(int64(k))), pipeproc.AtID(pipeproc.ID{Seq: k}),
				pipeproc.AtID(pipeproc.ID{Millis: int64(k)}), pipeproc.AtID(pipeproc.ID{Millis: int64(k), Seq: k})}
			for _, text := range []string{fmt.Sprint(":", k), fmt.Sprint(k), fmt.Sprintf("0-%d", k), fmt.Sprintf("%d-%d", k, k)} {
				b, err := pipeproc.ParseBound(text)
				if err != nil {
					clear(t, "bound", err)
					continue
				}
				bounds = append(bounds, b)
			}
			for _, b := range bounds {
				ranges = append(ranges, pipeproc.RangeOptions{Start: b}, pipeproc.RangeOptions{End: b}, pipeproc.RangeOptions{Start: b, Exclusive: true})
			}
			for _, o := range ranges {
				for _, reverse := range []bool{false, true} {
					calls++
					o.Reverse = reverse
					got := 0
					for _, err := range s.Range(ctx, "t", o) {
						if err != nil {
							clear(t, "range", err)
							break
						}
						if got++; got > 3 {
							t.Fatalf("range %+v does not end", o)
						}
					}
				}
			}
			if err := s.Prune(ctx, "t", k); err == nil && k > 3 {
				t.Errorf("pruned to %d", k)
			} else if k == 3 && err != nil {
				t.Error(err)
			}
			for _, offset := range []string{fmt.Sprint(":", k), fmt.Sprint(k), fmt.Sprintf("%d-%d", k, k)} {
				calls++
				name := fmt.Sprintf("p %s %T", offset, s)
				claim, err := s.Claim(ctx, pipeproc.ProcOptions{Name: name, Topic: "t", Offset: offset, Count: int(k)})
				if err == nil && len(claim.Records) > 3 {
					t.Errorf("proc at %s: %d records", offset, len(claim.Records))
				}
				_, _ = s.SeekProc(ctx, name, offset)
			}
			_, _ = s.Ack(ctx, "p", pipeproc.Token{})
			wait, stop := context.WithCancel(ctx)
			stop()
			if err := s.WaitForRecord(wait, "t", k); err == nil {
				t.Errorf("record %d has come", k)
			}
			for _, o := range []pipeproc.TopicOptions{{SegmentSize: int64(k)}, {SegmentSize: -int64(k)}} {
				if err := s.CreateTopic(ctx, fmt.Sprintf("made%d-%d-%T", k, o.SegmentSize, s)[4:8], o); err == nil && (o.SegmentSize < 64<<10 || o.SegmentSize > 1<<31) && o.SegmentSize != 0 {
					t.Errorf("a topic with segments of %d", o.SegmentSize)
				}
			}
		}
		if _, err := s.Commit(ctx, pipeproc.Record{Topic: "after"}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
	var b pipeproc.Batch
	for _, k := range numbers {
		b.Reset()
		_ = b.Add("t", nil)
		_ = b.Expect("t", k)
		if err := n.CommitBatch(ctx, &b); err == nil && k > 10 {
			t.Errorf("a batch that expected %d", k)
		}
	}
	fmt.Printf("security: %d calls with numbers at their limits: none harmed\n", calls)
}
