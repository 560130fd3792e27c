package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const backupLong = `
Makes a complete copy of the store in the directory DEST, which must not exist
or be empty. The copy is a store like any other. Files that will never change
again are hard links where the file system allows it, so that a backup on the
same file system takes little space; for safety from a broken disk, copy it to
another one.
`

func (a *app) backupCommand() *cobra.Command {
	return completeFiles(a.command("backup DEST", "Copy the store", backupLong, "pipeproc backup /backup/monday", between(1, 1, "DEST"),
		func(ctx context.Context, args []string) error {
			o := a.options()
			o.MustExist = true
			n, err := a.openDir(o)
			return with(n, err, func(n *pipeproc.Node) error {
				r, err := n.Backup(ctx, args[0])
				if err != nil {
					return err
				}
				return a.line(fmt.Sprintf("backed up %s to %s: %s copied, %s linked, at position %d",
					plural(r.Files, "file"), args[0], size(r.Bytes), count(r.Linked), r.Position))
			})
		}), 0)
}

const restoreLong = `
Copies the store in SRC, a backup say, to the directory that --dir names, which
must not exist or be empty. SRC is verified first, and refused if it is damaged.
`

func (a *app) restoreCommand() *cobra.Command {
	return completeFiles(a.command("restore SRC", "Copy a backup to the directory", restoreLong,
		"pipeproc --dir /var/lib/app/data restore /backup/monday", between(1, 1, "SRC"),
		func(ctx context.Context, args []string) error {
			if err := pipeproc.Restore(ctx, args[0], a.dir); err != nil {
				return err
			}
			return a.line(fmt.Sprintf("restored %s to %s", args[0], a.dir))
		}), 0)
}
