//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

var (
	full    = flag.Bool("faults.full", false, "every call, bit and limit in place of a sample")
	seed    = flag.Uint64("faults.seed", 0, "seed of random choices, 0 for a new one")
	rounds  = flag.Int("faults.rounds", 6, "power cuts in each sync mode")
	soakFor = flag.Duration("soak.duration", 4*time.Second, "how long the soak runs")
)

func TestMain(m *testing.M) {
	process.Main(map[string]func(args []string) error{"work": workChild, "files": filesChild, "memory": memoryChild})
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("seed %d: go test ./tests/faults -faults.seed %d repeats its choices\n", *seed, *seed)
	os.Exit(m.Run())
}

// clear complains of an error that an operator could not read: none, several
// lines, or a panic.
func clear(t *testing.T, when string, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error", when)
	case strings.ContainsAny(err.Error(), "\n\x00") || strings.Contains(err.Error(), "runtime error"):
		t.Errorf("%s: the error is not clear: %q", when, err.Error())
	}
}
