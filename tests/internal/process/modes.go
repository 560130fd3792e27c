package process

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Modes are the names that children are told of the sync modes.
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
