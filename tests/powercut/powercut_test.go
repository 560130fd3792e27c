//go:build linux

package powercut

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	points = flag.Int("points", 20, "power cuts, of all file systems together")
	seed   = flag.Uint64("seed", 1, "of the history and of what the cuts leave")
	steps  = flag.Int("steps", 300, "commands of one history")
)

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		_ = os.Unsetenv(role)
		os.Exit(play(name))
	}
	os.Exit(m.Run())
}

// child returns a command that runs this program in a role.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), role+"="+name)
	return cmd
}

// history is what a store did on a disk that was recorded.
type history struct {
	kind  kind
	mode  string
	seed  uint64
	steps int
	start int // events before the store was opened
	log   []event
	acks  []int // acks[k] is how many events there were when step k was known to be acknowledged
}

// flushes counts those of the store's time.
func (h *history) flushes() (n int) {
	for _, e := range h.log[h.start:] {
		if e.data == nil {
			n++
		}
	}
	return n
}

// newHistory lets a child work on a new disk. Syncs of files whose names contain drop do
// nothing, if it is not empty.
func newHistory(s *shelf, k kind, mode string, seed uint64, steps int, drop string) *history {
	s.t.Helper()
	r, v := s.record(k)
	h := &history{kind: k, mode: mode, seed: seed, steps: steps}
	err := h.run(r, v, drop)
	err = errors.Join(err, v.release())
	if err != nil {
		s.t.Fatalf("%s: %v", k.name, err)
	}
	return h
}

func (h *history) run(r *recorder, v *volume, drop string) error {
	if _, err := command("sync", "-f", v.dir); err != nil {
		return err
	}
	h.start = len(r.events())
	h.acks = []int{h.start}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := child(ctx, "work", filepath.Join(v.dir, "data"), fmt.Sprint(h.seed), fmt.Sprint(h.steps), h.mode, drop)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() != strconv.Itoa(len(h.acks)) {
			return fmt.Errorf("the child says %q after step %d", lines.Text(), len(h.acks)-1)
		}
		h.acks = append(h.acks, len(r.events()))
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the child: %w: %s", err, stderr.String())
	}
	h.log = r.events()
	return nil
}

// durable returns how many steps a power cut after the first n events must leave.
func (h *history) durable(n int) int {
	k, _ := slices.BinarySearch(h.acks, n+1)
	return durableSteps(h.seed, h.mode, k-1)
}

// outcome counts what cuts led to.
type outcome struct {
	cuts, open, beyond, lost int
	failures                 []string
}

func (o *outcome) note(h *history, now, durable int, what string, err error) {
	o.cuts++
	if err == nil {
		o.beyond += now - durable
		return
	}
	if strings.Contains(err.Error(), "LOST") {
		o.lost++
	}
	o.failures = append(o.failures, fmt.Sprintf("%s, %s, seed %d: %s: %v", h.kind.name, h.mode, h.seed, what, err))
}

// cutAll cuts the power at the given points, which rise, and opens each store. With
// again it cuts the power of every second one once more, while it is opened and used.
func (h *history) cutAll(s *shelf, at []int, again bool, kindOf func() int) (o outcome) {
	s.t.Helper()
	c := &cutter{log: h.log, durable: newPages(nil)}
	for i, n := range at {
		rnd := rand.New(rand.NewPCG(h.seed, uint64(n)))
		how := kindOf()
		left, open := c.cut(n, how, rnd)
		o.open += open
		durable := h.durable(n)
		r := newRecorder(h.kind.size, left)
		now, err := h.open(s, r, durable)
		what := fmt.Sprintf("a cut after event %d of %d, %d writes after the last flush, which it keeps in way %d", n, len(h.log), open, how)
		o.note(h, now, durable, what, err)
		if err != nil || !again || i%2 > 0 {
			continue
		}
		log := r.events()
		n, how = rnd.IntN(len(log)+1), kindOf()
		left, open = (&cutter{log: log, durable: newPages(left)}).cut(n, how, rnd)
		o.open += open
		now, err = h.open(s, newRecorder(h.kind.size, left), durable)
		o.note(h, now, durable, fmt.Sprintf("%s; again after event %d of %d, %d writes, way %d", what, n, len(log), open, how), err)
	}
	return o
}

// open mounts a disk and opens the store on it.
func (h *history) open(s *shelf, d disk, durable int) (now int, err error) {
	file := s.add(d)
	defer s.remove(file)
	v, err := s.attach(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, v.release()) }()
	if err := v.mount(h.kind); err != nil {
		return 0, fmt.Errorf("the file system does not come up: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := child(ctx, "inspect", filepath.Join(v.dir, "data"), fmt.Sprint(h.seed), fmt.Sprint(h.steps), h.mode, fmt.Sprint(durable), "after the cut")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// choose returns count points of a history in order: anywhere, right after an
// acknowledgement, or right before a flush, when most is at stake.
func (h *history) choose(count int, rnd *rand.Rand) []int {
	var flushes []int
	for i := h.start + 1; i < len(h.log); i++ {
		if h.log[i].data == nil && h.log[i-1].data != nil {
			flushes = append(flushes, i)
		}
	}
	at := make([]int, count)
	for i := range at {
		switch rnd.IntN(4) {
		case 0:
			at[i] = h.start + rnd.IntN(len(h.log)-h.start+1)
		case 1:
			at[i] = h.acks[rnd.IntN(len(h.acks))]
		default:
			at[i] = flushes[rnd.IntN(len(flushes))]
		}
	}
	slices.Sort(at)
	return at
}

// share returns the part of the points for history i of n.
func share(i, n int) int { return (*points + n - 1 - i) / n }

// TestPowerCuts: whatever a power cut leaves of the writes after the last flush, the
// store has everything that was acknowledged as durable, and reports no damage. So it is
// when the power goes again while the store is being opened.
func TestPowerCuts(t *testing.T) {
	s := newShelf(t)
	histories := 0
	for _, k := range kinds {
		for _, mode := range []string{"always", "interval", "never"} {
			i := histories
			histories++
			t.Run(k.name+"/"+mode, func(t *testing.T) {
				s.t = t
				rnd := rand.New(rand.NewPCG(*seed, uint64(i)))
				h := newHistory(s, k, mode, *seed+uint64(i), *steps, "")
				at := h.choose(share(i, 3*len(kinds)), rnd)
				o := h.cutAll(s, at, true, func() int { return rnd.IntN(keepKinds) })
				t.Logf("%d cuts in a history of %d writes and %d flushes; %d writes after the last flush; %d steps were there beyond those that had to be; lost %d",
					o.cuts, len(h.log)-h.start-h.flushes(), h.flushes(), o.open, o.beyond, o.lost)
				for _, f := range o.failures {
					t.Error(f)
				}
			})
		}
	}
}

// TestLogSeesFlushes proves that the recorded disk can lose data: each acknowledgement
// comes after a flush of its own, and a store whose log is not synced loses what it has
// acknowledged.
func TestLogSeesFlushes(t *testing.T) {
	s := newShelf(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s.t = t
			h := newHistory(s, k, "always", *seed, 60, "")
			if n := h.flushes(); n < 60*3/4 {
				t.Errorf("%d flushes for 60 steps", n)
			}
			broken := newHistory(s, k, "always", *seed, 60, "wal-")
			o := broken.cutAll(s, broken.acks[len(broken.acks)-8:], false, func() int { return keepNone })
			t.Logf("%d flushes; without the syncs of the log %d, and %d of %d cuts lose acknowledged steps", h.flushes(), broken.flushes(), o.lost, o.cuts)
			if o.lost == 0 {
				t.Errorf("nothing was lost without the syncs of the log: %v", o.failures)
			}
		})
	}
}
