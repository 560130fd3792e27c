package model

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// sites counts the operations that were made to fail, by what they were and who
// called.
type sites struct {
	mu     sync.Mutex
	counts map[string]int
}

func (s *sites) add(op vfs.Op, site string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[fmt.Sprintf("%-12s %s", op.Kind, site)]++
}

// log prints the table, the most frequent first.
func (s *sites) log(t *testing.T) {
	total := 0
	var b strings.Builder
	keys := slices.SortedFunc(maps.Keys(s.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.counts[b], s.counts[a]), cmp.Compare(a, b))
	})
	for _, k := range keys {
		total += s.counts[k]
		fmt.Fprintf(&b, "%7d %s\n", s.counts[k], k)
	}
	t.Logf("%d operations failed at %d call sites:\n%s", total, len(keys), b.String())
}

// callSite returns the function that called the file system, and the ones that
// called that, up to three, without the module's name.
func callSite() string {
	const module = "github.com/pipeproc/pipeproc"
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var names []string
	for {
		f, more := frames.Next()
		name, ours := strings.CutPrefix(f.Function, module)
		name = strings.TrimLeft(name, "./")
		if ours && !strings.HasPrefix(name, "vfs.") && !strings.HasPrefix(name, "internal/") {
			names = append(names, name)
		}
		if !more || len(names) == 3 {
			break
		}
	}
	return strings.Join(names, " < ")
}
