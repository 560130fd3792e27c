package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/wal"
)

// checkFrame decodes a command that was staged, by the rules of a replay. A command
// that is written and cannot be replayed would hide every command after it: so
// whatever Stage accepts must decode (see package selfcheck). It does not ask whether
// the command fits the state, which Stage has done.
func checkFrame(f *wal.Frame) error {
	var blocks []topics.Block
	err := decodeCommand(f.Meta, f.Parts, &blocks, func(_ int64, op *decodedOp) error {
		switch op.kind {
		case opCreate:
			return record.CheckName(op.name)
		case opAppend, opPrune, opDelete:
			return nil
		case gcprune.OpPolicy:
			_, _, err := gcprune.DecodePolicy(op.rest)
			return err
		case gcprune.OpPolicyGone:
			return nil
		case once.OpReply:
			_, err := once.Parse(op.rest)
			return err
		}
		return procstate.Check(op.kind, op.rest)
	})
	if err != nil {
		return fmt.Errorf("a command was accepted that no replay accepts: %w", err)
	}
	return nil
}
