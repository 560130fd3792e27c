package pipelines

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var (
	records = flag.Int("once.records", 6000, "inputs of the pipeline in TestOnceKilled, for each sync mode")
	kills   = flag.Int("once.kills", 8, "kills of the process in TestOnceKilled, for each sync mode")
	power   = flag.Int("once.power", 12, "histories of TestOncePower")
	full    = flag.Bool("once.full", false, "a longer history and more survivors in TestOncePoints; full sizes in TestManyProcs")
	seed    = flag.Uint64("once.seed", 0, "seed of random choices, 0 for a new one")
)

// childEnv makes the test binary the child instead of running tests.
const childEnv = "PIPETEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(m.Run())
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
