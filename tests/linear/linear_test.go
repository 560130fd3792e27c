package linear

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

var (
	seedFlag = flag.Uint64("linear.seed", 0, "seed of the operations; 0: from the clock")
	opsFlag  = flag.Int("linear.ops", 12000, "operations of all clients together")
	clients  = flag.Int("linear.clients", 8, "clients")
)

func seedOf(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-linear.seed)", seed)
	return seed
}

// check fails if the history is not linearizable, and shows where.
func check(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	checkBy(t, model, history)
}

func checkBy(t *testing.T, model porcupine.Model, history []porcupine.Operation) {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(model, history, 2*time.Minute) {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Error("the check took too long to decide")
	default:
		t.Error("not linearizable:\n" + shortest(model, history))
	}
}

// shortest returns the shortest prefix of one proc's history that is not
// linearizable, as text.
func shortest(model porcupine.Model, history []porcupine.Operation) string {
	var text string
	for _, part := range model.Partition(history) {
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
		bad := func(n int) bool {
			return porcupine.CheckOperationsTimeout(model, until(part, n), time.Minute) == porcupine.Illegal
		}
		lo, hi := 0, len(part)
		if !bad(hi) {
			continue
		}
		for lo+1 < hi {
			if mid := (lo + hi) / 2; bad(mid) {
				hi = mid
			} else {
				lo = mid
			}
		}
		var b strings.Builder
		fmt.Fprintf(&b, "the first %d operations of the proc, and those under way then; the last ones are, by the time of their return:\n", hi)
		for _, op := range until(part, hi)[max(0, hi-30):] {
			fmt.Fprintf(&b, "%9d %9d client %d: %s\n", op.Call/1000, op.Return/1000, op.ClientId, describe(op.Input.(input), op.Output.(output)))
		}
		if text == "" || b.Len() < len(text) {
			text = b.String()
		}
	}
	if text == "" {
		return "every proc by itself is"
	}
	return text
}

// until returns the first n operations of a history that is sorted by the time
// of return, and those that were under way then: they have taken effect or not.
func until(part []porcupine.Operation, n int) []porcupine.Operation {
	out := slices.Clone(part[:n])
	if n == 0 {
		return out
	}
	for _, op := range part[n:] {
		if op.Call <= out[n-1].Return {
			in := op.Input.(input)
			in.open = true
			op.Input, op.Return = in, math.MaxInt64
			out = append(out, op)
		}
	}
	return out
}

// TestLinearizable runs clients on a node in memory, whose commits do not wait.
func TestLinearizable(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag, n))
}

// TestLinearizableSynced runs them on a node that syncs every commit, so that
// many operations are in flight together.
func TestLinearizableSynced(t *testing.T) {
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: vfs.NewCrash()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag/4, n))
}

// TestLinearizableOnDisk runs them on real files and real syncs.
func TestLinearizableOnDisk(t *testing.T) {
	n, err := pipeproc.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	check(t, record(t, seedOf(t), *opsFlag/6, n))
}
