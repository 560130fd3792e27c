package kills

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

var (
	rounds  = flag.Int("rounds", 200, "rounds of the kill test, over all sync modes")
	flipAll = flag.Bool("flips.all", false, "flip every byte, even those that nobody reads and those of large bodies")
	seed    = flag.Uint64("seed", 0, "seed of random choices, 0 for a new one")
)

func TestMain(m *testing.M) {
	process.Main(map[string]func(args []string) error{"commit": commitChild, "hold": holdChild, "disk": fsChild})
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(m.Run())
}
