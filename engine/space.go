package engine

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/vfs"
)

// isNoSpace reports whether err says that the disk is full, or a quota used up.
func isNoSpace(err error) bool { return vfs.NoSpace(err) }

// noSpace gives an error that says so its code. what says what came of it.
func noSpace(err error, what string) error {
	full := "the disk is full"
	if vfs.OverQuota(err) {
		full = "the disk quota is used up"
	}
	return errs.NoSpace.Wrap(err, full+"; "+what)
}

// spaceError gives an error that says the disk is full its code, and reports it. It
// returns any other as it is, and a failed sync, after which room does not help.
func (e *Engine) spaceError(err error, what string) error {
	if !isNoSpace(err) || errors.Is(err, errs.NoSpace) || isSyncFailure(err) {
		return err
	}
	e.event(Event{Kind: EventFull, Err: err})
	return noSpace(err, what+"; prune or delete what is not needed, or make room on the disk")
}
