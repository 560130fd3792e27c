//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var (
	full    = flag.Bool("faults.full", false, "every call, bit and limit in place of a sample")
	seed    = flag.Uint64("faults.seed", 0, "seed of random choices, 0 for a new one")
	rounds  = flag.Int("faults.rounds", 6, "power cuts in each sync mode")
	soakFor = flag.Duration("soak.duration", 4*time.Second, "how long the soak runs")
)

// childEnv makes the test binary a child that works on a store.
const childEnv = "FAULTTEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		flag.Parse()
		if *seed == 0 {
			*seed = uint64(time.Now().UnixNano())
		}
		fmt.Printf("seed %d: go test ./tests/faults -faults.seed %d repeats its choices\n", *seed, *seed)
		os.Exit(m.Run())
	case "work":
		exit(workChild())
	case "files":
		exit(filesChild())
	case "memory":
		exit(memoryChild())
	default:
		exit(fmt.Errorf("unknown child %q", os.Getenv(childEnv)))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// need skips a test that this machine cannot run, or fails it where it must run.
func need(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("PIPEPROC_CI") == "1" {
		t.Fatalf("this test must run here, but it needs %s: %v", what, err)
	}
	t.Skipf("SKIPPED: it needs %s: %v", what, err)
}

var modes = []string{"always", "interval", "never"}

func modeByName(name string) pipeproc.SyncMode {
	switch name {
	case "interval":
		return pipeproc.SyncInterval(2 * time.Millisecond)
	case "never":
		return pipeproc.SyncNever
	}
	return pipeproc.SyncAlways
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
