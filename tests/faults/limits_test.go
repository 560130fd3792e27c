//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// openFiles lists what is open.
func openFiles() (names []string) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		names = append(names, filepath.Base(to))
	}
	return names
}

// limitWork opens a store, writes, checkpoints and reads. It returns how many
// commits were acknowledged, and the first error.
func limitWork(dir string, from int) (acked int, err error) {
	n, err := pipeproc.Open(dir, fileOptions())
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	for i := range 12 {
		recs := make([]pipeproc.Record, 0, 12)
		for k := range 12 {
			recs = append(recs, pipeproc.Record{Topic: fmt.Sprintf("t%d", k), Body: limitBody(from + i)})
		}
		_, cerr := n.Commit(ctx, recs...)
		if cerr != nil {
			err = errors.Join(err, cerr)
			break
		}
		acked++
		if i%4 == 3 {
			err = errors.Join(err, n.Checkpoint(ctx))
		}
	}
	for k := range 12 {
		for r, rerr := range n.Range(ctx, fmt.Sprintf("t%d", k), pipeproc.RangeOptions{}) {
			if rerr != nil {
				err = errors.Join(err, rerr)
			} else if want := limitBody(int(r.ID.Seq)); !bytes.Equal(r.Body, want) {
				return acked, fmt.Errorf("WRONG: t%d %v", k, r.ID)
			}
		}
		if _, gerr := n.Get(ctx, fmt.Sprintf("t%d", k), 0); gerr != nil && from > 0 {
			err = errors.Join(err, gerr)
		}
	}
	return acked, errors.Join(err, n.Close())
}

func limitBody(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d ", i), 2000) }

// filesChild works on a store with 1, 2, 3, … free descriptors, until nothing
// fails any more.
func filesChild(args []string) error {
	dir := filepath.Join(args[0], "data")
	if r, w, err := os.Pipe(); err != nil { // Go's poller takes two at its first use, and panics without
		return err
	} else if err := errors.Join(r.Close(), w.Close()); err != nil {
		return err
	}
	was := process.Descriptors()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	total, failed := 0, 0
	for free := uint64(0); ; free++ {
		tight := limit
		tight.Cur = uint64(was-1) + free // reading the folder had one of its own
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &tight); err != nil {
			return err
		}
		acked, err := limitWork(dir, total)
		total += acked
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		if now := process.Descriptors(); now != was {
			return fmt.Errorf("%d free descriptors: %d are open afterwards, not %d: %v, %w", free, now, was, openFiles(), err)
		}
		if err == nil {
			fmt.Printf("%d descriptors suffice, %d tries with fewer failed cleanly\n", free, failed)
			break
		}
		failed++
		if !errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("%d free descriptors: %w", free, err)
		}
		if errors.Is(err, pipeproc.ErrCorrupt) {
			return fmt.Errorf("%d free descriptors are said to be damage: %w", free, err)
		}
		if errors.Is(err, pipeproc.ErrOutcomeUnknown) || errors.Is(err, pipeproc.ErrLogFailed) {
			return fmt.Errorf("%d free descriptors are taken for a failed sync: %w", free, err)
		}
		// All of it is there, and more can be written.
		if n, err := countOf(dir); err != nil || n != total {
			return fmt.Errorf("after %d free descriptors: %d records, %d were acknowledged: %w", free, n, total, err)
		}
		if free > 100 {
			return errors.New("100 descriptors are not enough")
		}
	}
	n, err := countOf(dir)
	if err != nil || n != total {
		return fmt.Errorf("%d records, %d were acknowledged: %w", n, total, err)
	}
	fmt.Printf("all %d commits are there, no descriptor is left\n", total)
	if err := runsOut(dir, limit); err != nil {
		return err
	}
	if now := process.Descriptors(); now != was {
		return fmt.Errorf("%d descriptors are open in the end, not %d: %v", now, was, openFiles())
	}
	return nil
}

// runsOut takes the descriptors away from a running node, again and again, works
// on until calls fail, gives them back and goes on with the same node.
func runsOut(dir string, limit unix.Rlimit) error {
	n, err := pipeproc.Open(dir, fileOptions())
	if err != nil {
		return err
	}
	ctx := context.Background()
	was, err := n.Length(ctx, "t0")
	if err != nil {
		return err
	}
	acked, failed := uint64(0), 0
	for round := range 40 {
		none := limit
		none.Cur = uint64(round % 4) // some or none of those that it has
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
			return err
		}
		calls := 0
		check := func(err error) error {
			calls++
			if err == nil {
				return nil
			}
			failed++
			if !errors.Is(err, syscall.EMFILE) || errors.Is(err, pipeproc.ErrOutcomeUnknown) {
				return fmt.Errorf("round %d, without descriptors: %w", round, err)
			}
			return nil
		}
		var bad error
		for i := range 12 {
			_, err := n.Commit(ctx, pipeproc.Record{Topic: "t0", Body: limitBody(int(was + acked))}, pipeproc.Record{Topic: fmt.Sprintf("new%d", round)})
			if err == nil {
				acked++
			}
			bad = errors.Join(bad, check(err))
			if i%6 == round%6 {
				bad = errors.Join(bad, check(n.Checkpoint(ctx)), check(n.Sync(ctx)))
			}
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		if err := errors.Join(bad, n.Err()); err != nil {
			return err
		}
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t0", Body: limitBody(int(was + acked))}); err != nil {
			return fmt.Errorf("round %d, with descriptors again: %w", round, err)
		}
		acked++
		if round%3 == 0 {
			if err := n.Checkpoint(ctx); err != nil {
				return fmt.Errorf("round %d, with descriptors again: %w", round, err)
			}
		}
	}
	next := uint64(0)
	for r, err := range n.Range(ctx, "t0", pipeproc.RangeOptions{}) {
		if err != nil || r.ID.Seq != next || !bytes.Equal(r.Body, limitBody(int(next))) {
			return fmt.Errorf("record %v, want %d: %w", r.ID, next, err)
		}
		next++
	}
	if next != was+acked {
		return fmt.Errorf("%d records, %d were acknowledged", next, was+acked)
	}
	fmt.Printf("a running node lost its descriptors 40 times: %d commits acknowledged, %d calls failed, it went on each time\n", acked, failed)
	return n.Close()
}

func countOf(dir string) (int, error) {
	n, err := pipeproc.Open(dir, fileOptions())
	if err != nil {
		return 0, err
	}
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		return 0, errors.Join(d...)
	}
	got := -1
	for k := range 12 {
		length, err := n.Length(context.Background(), fmt.Sprintf("t%d", k))
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			length = 0
		} else if err != nil {
			return 0, err
		}
		if got >= 0 && int(length) != got {
			return 0, fmt.Errorf("t%d has %d records, t0 has %d", k, length, got)
		}
		got = int(length)
	}
	return got, nil
}

// TestF29Descriptors: a process with too few descriptors gets clean errors, leaks
// nothing and loses nothing, and all goes on when there are more.
func TestF29Descriptors(t *testing.T) {
	cmd := command(t.Context(), "files", scratch(t), "always", 0, 0)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %.3000s", err, out)
	}
	fmt.Printf("fault 29: %s\n", strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "))
}

// memoryChild works under a limit of its address space, until the runtime gives
// up or the work is done.
func memoryChild(args []string) error {
	dir := filepath.Join(args[0], "data")
	n, err := pipeproc.Open(dir, &pipeproc.Options{WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}})
	if err != nil {
		return err
	}
	var size, other uint64
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	_, _ = fmt.Sscan(string(b), &size, &other)
	var extra int
	_, _ = fmt.Sscan(args[1], &extra)
	limit := size*uint64(os.Getpagesize()) + uint64(extra)
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	for i := range 200 {
		if _, err := n.Commit(context.Background(), pipeproc.Record{Topic: "t", Body: bytes.Repeat(limitBody(i), 4)}); err != nil {
			fmt.Printf("failed %v\n", err)
			continue
		}
		_, _ = os.Stdout.WriteString(fmt.Sprintf("ack %d\n", i))
		if _, err := n.Get(context.Background(), "t", uint64(i/2)); err != nil {
			fmt.Printf("failed %v\n", err)
		}
	}
	return n.Close()
}

// TestF29Memory: with too little memory the process gets an error where a mapping
// fails, or ends, as the Go runtime does then; what it acknowledged is there.
func TestF29Memory(t *testing.T) {
	if process.Race {
		t.Skip("the race detector needs address space without end")
	}
	ended, done, failed := 0, 0, 0
	for _, extra := range []int{0, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 1 << 30} {
		dir := scratch(t)
		cmd := command(t.Context(), "memory", dir, fmt.Sprint(extra), 0, 0)
		out, err := cmd.Output()
		if err != nil {
			ended++
		} else {
			done++
		}
		acked := strings.Count(string(out), "ack ")
		failed += strings.Count(string(out), "failed ")
		n, err := pipeproc.Open(filepath.Join(dir, "data"), nil)
		if err != nil {
			t.Fatalf("%d bytes: %v", extra, err)
		}
		got := 0
		for r, err := range n.Range(t.Context(), "t", pipeproc.RangeOptions{}) {
			if errors.Is(err, pipeproc.ErrInvalidTopic) {
				break // it ended before its first commit
			}
			if err != nil || len(r.Body) == 0 {
				t.Fatalf("%d bytes: %v %v", extra, r.ID, err)
			}
			got++
		}
		if got < acked || got > acked+1 || len(n.Recovery().Damage) > 0 {
			if failed == 0 || got < acked {
				t.Errorf("%d bytes: %d records, %d were acknowledged, %v", extra, got, acked, n.Recovery().Damage)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	fmt.Printf("fault 29: of 6 processes short of memory %d ended, %d finished, %d calls failed; lost 0; failed: %v\n", ended, done, failed, t.Failed())
}

// TestF29Mappings: mappings that fail with ENOMEM are an error of the call that
// needed one, or nothing at all; afterwards all is as before.
func TestF29Mappings(t *testing.T) {
	f := vfs.NewFault(vfs.NewMem(), nil)
	o := fileOptions()
	o.FS, o.Sync = f, pipeproc.SyncNever
	n, err := pipeproc.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	fileAdd(t, n, 0, 600)
	if err := n.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.SetHook(vfs.FailKind(vfs.OpMap, "", unix.ENOMEM))
	failed := 0
	for seq := range uint64(600) {
		r, err := n.Get(t.Context(), fileTopic(1), seq)
		if err == nil && bytes.Equal(r.Body, fileBody(fileTopic(1), seq)) {
			continue
		}
		failed++
		if !errors.Is(err, unix.ENOMEM) || errors.Is(err, pipeproc.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	for i := range 200 { // rolls the log, which is mapped
		if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "more", Body: limitBody(i)}); err != nil {
			if clear(t, "commit", err); !errors.Is(err, unix.ENOMEM) {
				t.Fatal(err)
			}
			failed++
		}
	}
	f.SetHook(nil)
	runtime.GC()
	if missing, said := look(t, "afterwards", n, 600); missing > 0 || len(said) > 0 {
		t.Errorf("%d missing, %v", missing, said)
	}
	if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "more"}); err != nil {
		t.Error(err)
	}
	fmt.Printf("fault 29: %d calls without a mapping failed with ENOMEM, afterwards all went on; failed: %v\n", failed, t.Failed())
}
