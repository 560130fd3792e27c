package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const ackCommitLong = `
Acknowledges the open claim of the proc NAME and appends a record to the topic
--to for each line of FILE, or of the standard input when FILE is missing or "-".
All of it is one commit: the records and the acknowledgement are there, or
neither, also after a crash. So whatever is made of a claim is there once.

All input is read before the store is opened. So this may stand behind 'pipeproc
proc' in a pipe. Input without a line commits nothing and fails; 'pipeproc ack'
acknowledges without records.

Prints the range that was acknowledged, FIRST..LAST, and then the id of each new
record on a line of its own.
`

const ackCommitExample = `
pipeproc ack-commit mailer --to sent result.txt
pipeproc proc up --topic orders --output body | tr a-z A-Z | pipeproc ack-commit up --to loud
`

func (a *app) ackCommitCommand() *cobra.Command {
	var to string
	var claim *tokenFlag
	limit := sizeFlag{n: 16 << 20, low: 1, high: maxBody}
	cmd := a.command("ack-commit NAME --to TOPIC [FILE] [flags]", "Acknowledge a claim and append lines, in one commit", ackCommitLong, ackCommitExample,
		between(1, 2, "NAME [FILE]"), func(ctx context.Context, args []string) error {
			if to == "" {
				return usageError{errors.New("--to is missing: the topic that the records go to")}
			}
			return a.ackCommit(ctx, args, to, claim.t, int(limit.n))
		})
	cmd.Flags().Var(textFlag{&to, "TOPIC"}, "to", "where the records go (required)")
	claim = claimFlag(cmd)
	cmd.Flags().Var(&limit, "max-body", "the longest line allowed, up to 256MiB")
	return completeFiles(cmd, 1)
}

func (a *app) ackCommit(ctx context.Context, args []string, to string, t pipeproc.Token, limit int) error {
	if err := new(pipeproc.Batch).Add(to, nil); err != nil {
		return err
	}
	var b pipeproc.Batch
	if err := a.readBatch(ctx, args, to, limit, &b); err != nil {
		return err
	}
	if b.Len() == 0 {
		return fmt.Errorf("%w: the input has no line, so nothing was committed and nothing acknowledged", pipeproc.ErrUncommitted)
	}
	o := a.options()
	o.MustExist, o.MaxBody, o.MaxBatch = true, maxBody, maxBatch
	n, err := a.open(ctx, o)
	return with(n, err, func(n pipeproc.Store) error {
		if _, err := n.InspectProc(ctx, args[0]); err != nil {
			return err
		}
		// From here on it runs to completion, whatever signal arrives.
		r, err := n.AckCommitBatch(context.WithoutCancel(ctx), args[0], t, &b)
		if err != nil {
			return err
		}
		out := a.lines()
		_ = out.line(func(dst []byte) []byte { return append(dst, r.String()...) }) // flush has the error
		for _, id := range b.IDs() {
			_ = out.line(func(dst []byte) []byte { dst, _ = id.AppendText(dst); return dst })
		}
		return out.flush()
	})
}

// readBatch fills b with the lines of the input.
func (a *app) readBatch(ctx context.Context, args []string, topic string, limit int, b *pipeproc.Batch) error {
	in, err := a.input(args)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := newLineReader(in, limit)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return context.Canceled
		case errors.Is(err, pipeproc.ErrTooLarge) && limit < maxBody:
			return fmt.Errorf("%w; allow more with --max-body, up to 256MiB", err)
		case err != nil:
			return err
		}
		if err := b.Add(topic, line); err != nil {
			return err
		}
		if b.Size() > maxBatch {
			return fmt.Errorf("%w: the input is over 1 GiB, the most that one commit can hold", pipeproc.ErrTooLarge)
		}
	}
}
