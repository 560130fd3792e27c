package pipeproc

import (
	"context"
	"log/slog"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/vfs"
)

// RepairOptions configure a repair. nil means the defaults.
type RepairOptions struct {
	FS       vfs.FS                   // default: the operating system's
	Confirm  func(*VerifyReport) bool // asked before anything is changed; nil means yes
	Progress func(VerifyProgress)     // of the verification that comes first
	Logger   *slog.Logger
}

// RepairReport says what a repair found, did, and had to drop.
type RepairReport struct {
	Before  *VerifyReport
	Actions []string
	Dropped []Dropped
	Changed bool
}

// Dropped is something that a repair could not keep.
type Dropped struct {
	Topic       string // "" if it is not known
	First, Next uint64 // the sequences [First, Next), if they are known
	What        string
}

// ErrNotConfirmed is returned by Repair if Confirm returned false.
var ErrNotConfirmed = engine.ErrNotConfirmed

// Repair verifies the store in dir, which must not be in use. If it finds damage and
// Confirm agrees, it rewrites what is intact in the damaged files, leaves gaps in the
// sequences of lost records, and moves the damaged files to the folder quarantine in dir.
// The report says what was dropped. A store without damage is not changed.
func Repair(ctx context.Context, dir string, o *RepairOptions) (*RepairReport, error) {
	if o == nil {
		o = &RepairOptions{}
	}
	c, err := (&Options{FS: o.FS, Logger: o.Logger}).config(dir)
	if err != nil {
		return nil, err
	}
	var confirm func(*engine.VerifyReport) bool
	if o.Confirm != nil {
		confirm = func(r *engine.VerifyReport) bool { return o.Confirm(verifyReport(r)) }
	}
	r, err := engine.Repair(ctx, c, confirm, progressFunc(o.Progress))
	if r == nil {
		return nil, err
	}
	out := &RepairReport{Before: verifyReport(r.Before), Actions: r.Actions, Changed: r.Changed}
	for _, d := range r.Dropped {
		out.Dropped = append(out.Dropped, Dropped(d))
	}
	return out, err
}
