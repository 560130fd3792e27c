package main

import (
	"context"

	"github.com/pipeproc/pipeproc"
)

// change opens a store that is there for a command that changes it.
func (a *app) change() (*pipeproc.Node, error) {
	o := a.options()
	o.MustExist = true
	return a.open(o)
}

// withProc opens the store, looks whether the proc is there, and runs do.
func (a *app) withProc(ctx context.Context, name string, do func(*pipeproc.Node) error) error {
	n, err := a.change()
	return with(n, err, func(n *pipeproc.Node) error {
		if _, err := n.InspectProc(ctx, name); err != nil {
			return err
		}
		return do(n)
	})
}
