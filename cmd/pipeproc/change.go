package main

import (
	"context"

	"github.com/pipeproc/pipeproc"
)

// change opens an existing store for a command that changes it.
func (a *app) change(ctx context.Context) (pipeproc.Store, error) {
	o := a.options()
	o.MustExist = true
	return a.open(ctx, o)
}

// withProc opens the store, checks that the proc exists, and runs do.
func (a *app) withProc(ctx context.Context, name string, do func(pipeproc.Store) error) error {
	n, err := a.change(ctx)
	return with(n, err, func(n pipeproc.Store) error {
		if _, err := n.InspectProc(ctx, name); err != nil {
			return err
		}
		return do(n)
	})
}
