package pipelines

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

var (
	records = flag.Int("once.records", 6000, "inputs of the pipeline in TestOnceKilled, for each sync mode")
	kills   = flag.Int("once.kills", 8, "kills of the process in TestOnceKilled, for each sync mode")
	power   = flag.Int("once.power", 12, "histories of TestOncePower")
	full    = flag.Bool("once.full", false, "a longer history and more survivors in TestOncePoints; full sizes in TestManyProcs")
	seed    = flag.Uint64("once.seed", 0, "seed of random choices, 0 for a new one")
)

func TestMain(m *testing.M) {
	process.Main(map[string]func(args []string) error{"pipeline": child})
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(m.Run())
}
