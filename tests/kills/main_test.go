package kills

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var (
	rounds  = flag.Int("rounds", 200, "rounds of the kill test, over all sync modes")
	flipAll = flag.Bool("flips.all", false, "flip every byte, even those that nobody reads and those of large bodies")
	seed    = flag.Uint64("seed", 0, "seed of random choices, 0 for a new one")
)

// childEnv makes the test binary one of the children instead of running tests.
const childEnv = "PROCTEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		flag.Parse()
		if *seed == 0 {
			*seed = uint64(time.Now().UnixNano())
		}
		os.Exit(m.Run())
	case "commit":
		fail(commitChild())
	case "hold":
		fail(holdChild())
	default:
		fail(fmt.Errorf("unknown child %q", os.Getenv(childEnv)))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
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

func modeByName(name string) (pipeproc.SyncMode, error) {
	switch name {
	case "always":
		return pipeproc.SyncAlways, nil
	case "interval":
		return pipeproc.SyncInterval(2 * time.Millisecond), nil
	case "never":
		return pipeproc.SyncNever, nil
	}
	return 0, fmt.Errorf("unknown sync mode %q", name)
}
