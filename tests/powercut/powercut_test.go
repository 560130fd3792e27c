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
	torn                     int // disks whose file system did not survive torn sectors
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
func (h *history) cutAll(s *shelf, at []int, again bool, wayOf func() way) (o outcome) {
	s.t.Helper()
	c := &cutter{log: h.log, durable: newPages(nil)}
	for i, n := range at {
		rnd := rand.New(rand.NewPCG(h.seed, uint64(n)))
		what := fmt.Sprintf("a cut after event %d of %d", n, len(h.log))
		left, log, ok := h.cut(s, &o, c, n, h.durable(n), wayOf(), rnd, what)
		if ok && again && i%2 == 0 {
			n2 := rnd.IntN(len(log) + 1)
			what += fmt.Sprintf("; again after event %d of %d", n2, len(log))
			h.cut(s, &o, &cutter{log: log, durable: newPages(left)}, n2, h.durable(n), wayOf(), rnd, what)
		}
	}
	return o
}

// cut cuts the power once and opens the store. It returns what the cut left on the disk,
// and what was written to it since.
func (h *history) cut(s *shelf, o *outcome, c *cutter, n, durable int, w way, rnd *rand.Rand, what string) (*pages, []event, bool) {
	s.t.Helper()
	left, open := c.cut(n, w, rnd)
	r := newRecorder(h.kind.size, left)
	now, err := h.open(s, r, durable)
	if w == keepSectors && errors.Is(err, errNotMounted) {
		// Not all file systems survive it if a block of theirs is torn, above all while
		// they recover from another cut. Then this point is tried without.
		o.torn++
		return h.cut(s, o, c, n, durable, keepSome, rnd, what)
	}
	o.open += open
	o.note(h, now, durable, fmt.Sprintf("%s, %d writes after the last flush, way %d", what, open, w), err)
	return left, r.events(), err == nil
}

var errNotMounted = errors.New("the file system does not come up")

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
		return 0, fmt.Errorf("%w: %w", errNotMounted, err)
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
				o := h.cutAll(s, at, true, func() way { return way(rnd.IntN(int(ways))) })
				t.Logf("%d cuts in a history of %d writes and %d flushes; %d writes after the last flush; %d steps were there beyond those that had to be; %d disks torn too much for the file system; lost %d",
					o.cuts, len(h.log)-h.start-h.flushes(), h.flushes(), o.open, o.beyond, o.torn, o.lost)
				for _, f := range o.failures {
					t.Error(f)
				}
			})
		}
	}
}

// TestLogSeesFlushes proves that the recorded disk can lose data: acknowledgements come
// after flushes of their own, and a store whose log is not synced loses what it has
// acknowledged. On one file system so it is for each other file whose sync counts.
func TestLogSeesFlushes(t *testing.T) {
	s := newShelf(t)
	const few = 60
	for i, k := range kinds {
		whole := 0
		for _, drop := range []string{"", "wal-", "snapshot-", "STORE", ".seg"} {
			if i > 0 && len(drop) > 4 {
				continue
			}
			t.Run(k.name+"/"+drop, func(t *testing.T) {
				s.t = t
				h := newHistory(s, k, "always", *seed, few, drop)
				n := h.flushes()
				o := h.cutAll(s, h.acks[few-20:], false, func() way { return keepNone })
				if drop == "" {
					whole = n
					t.Logf("%d flushes for %d steps; of %d cuts %d lose acknowledged steps, %d are not as they should be", n, few, o.cuts, o.lost, len(o.failures))
					if n < few*3/4 || len(o.failures) > 0 {
						t.Errorf("%d flushes, %v", n, o.failures)
					}
					return
				}
				// A file system may happen to write everything for reasons of its own.
				for tries := uint64(1); len(o.failures) == 0 && tries < 6; tries++ {
					h = newHistory(s, k, "always", *seed+tries, few, drop)
					n = h.flushes()
					o = h.cutAll(s, h.acks[few-20:], false, func() way { return keepNone })
				}
				t.Logf("%d flushes instead of %d; of %d cuts %d lose acknowledged steps, %d are not as they should be", n, whole, o.cuts, o.lost, len(o.failures))
				if len(o.failures) == 0 {
					t.Errorf("nothing is lost without the syncs of %s", drop)
				}
			})
		}
	}
}
