package process

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Modes are the names of the sync modes that children are given.
var Modes = []string{"always", "interval", "never"}

// Mode returns the sync mode of a name.
func Mode(name string) pipeproc.SyncMode {
	switch name {
	case "always":
		return pipeproc.SyncAlways
	case "interval":
		return pipeproc.SyncInterval(2 * time.Millisecond)
	case "never":
		return pipeproc.SyncNever
	}
	panic(fmt.Sprintf("unknown sync mode %q", name))
}
