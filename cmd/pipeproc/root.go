package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `
pipeproc keeps topics of records in a directory. A topic is a log: records are
appended to it and never change. Each record gets an id, {milliseconds}-{sequence}:
the unix time of its commit, and its place in the topic, counted from 0. Records
committed together are one batch: all of them are there, or none.

OFFSETS
Where a command takes an offset (--start, --end), it is one of

  1700000000000-5   an id; it need not exist
  1700000000000     a time in unix milliseconds, the whole millisecond
  :5                a sequence, which must exist
                    and nothing at all for the end of the topic on that side

PROCS
A proc is a position in a topic, with a name, that the store keeps. It claims the
next records; until the claim is acknowledged or given back, it gives nothing
else. Who acknowledges may commit what came of the records in the same commit, so
that it is there once, whatever crashes. 'pipeproc proc --help' tells more.

TOPIC NAMES
1 to 255 letters, digits, _ and -. A topic comes to be with its first record.

DURABILITY
--sync says when a commit is acknowledged. A killed process loses nothing in any
mode; a power cut can lose

  always         nothing that was acknowledged (the default)
  interval=D     what was acknowledged in the last D, such as 100ms or 1s
  never          what the operating system has not written yet, some 30 seconds

THE DIRECTORY
--dir names it, ./pipeproc_data unless given. One process at a time owns it, the
commands that only read included.

A RUNNING NODE
'pipeproc serve' owns a directory and lets many processes use it at a time. The
commands reach it with --namespace NAME, a private socket of the same user, or
with --connect ADDR:

  unix:///path      a unix socket
  tcp://host:port   TCP
  tls://host:port   TLS, with --tls-cert, --tls-key and --tls-ca

With --namespace a command waits up to two seconds for a node that is being
started. These exclude each other, --dir and --sync. import, verify, repair, backup,
restore and dump work on a directory only.

OUTPUT AND EXIT CODES
JSON comes as one object per line. Results go to the standard output, all else
to the standard error. Errors are one line that starts with "pipeproc:", with a
code such as invalid_topic where there is one. The exit code is

  0   done
  1   failed; for verify and repair: damage was found, or stays
  2   wrong arguments; for verify and repair also: could not run
`

const rootExample = `
pipeproc demo                                 # see it work on a real file
printf 'one\ntwo\n' | pipeproc commit orders  # append two records
pipeproc range orders                         # read them back
pipeproc range orders --start :1 --output body
pipeproc proc mailer --topic orders           # claim the next record
pipeproc ack mailer                           # and say that it is done
`

func (a *app) rootCommand() *cobra.Command {
	root := a.command("pipeproc", "Durable logs of records in a directory", rootLong, rootExample, nil, nil)
	root.Use = "pipeproc COMMAND [flags]"
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(usageTemplate(root.UsageTemplate()))
	root.Args = unknownCommand
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// An unknown command is the likelier mistake than its flags.
		if cmd == root && len(cmd.Flags().Args()) > 0 {
			return unknownCommand(cmd, cmd.Flags().Args())
		}
		return err
	})

	f := root.PersistentFlags()
	f.SortFlags = false
	a.dir = "./pipeproc_data"
	f.Var(textFlag{&a.dir, "PATH"}, "dir", "the store's directory")
	f.Var(&a.sync, "sync", "when commits are acknowledged: always, interval=D or never")
	f.Var(addrFlag{&a.addr}, "connect", "the node to use instead of a directory")
	f.Var(namespaceFlag{&a.addr}, "namespace", "the same, by the name of its private socket")
	f.Var(textFlag{&a.tls.Cert, "FILE"}, "tls-cert", "certificate, for tls:// (PEM)")
	f.Var(textFlag{&a.tls.Key, "FILE"}, "tls-key", "its private key")
	f.Var(textFlag{&a.tls.CA, "FILE"}, "tls-ca", "certificates that vouch for the other side")
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca"} {
		_ = root.MarkPersistentFlagFilename(name)
	}
	root.PersistentPreRunE = a.checkReach
	_ = root.MarkPersistentFlagDirname("dir")
	_ = root.RegisterFlagCompletionFunc("sync", cobra.FixedCompletions([]string{"always", "interval=1s", "never"}, cobra.ShellCompDirectiveNoFileComp))

	root.AddGroup(&cobra.Group{ID: "data", Title: "Records:"}, &cobra.Group{ID: "procs", Title: "Procs:"}, &cobra.Group{ID: "care", Title: "Looking after a store:"},
		&cobra.Group{ID: "nodes", Title: "Nodes for many processes:"}, &cobra.Group{ID: "more", Title: "More:"})
	root.SetHelpCommand(a.helpCommand())
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	group := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
			c.Flags().SortFlags = false
			root.AddCommand(c)
		}
	}
	group("data", a.commitCommand(), a.rangeCommand(), a.getCommand(), a.tailCommand(), a.lengthCommand(), a.topicsCommand(), a.topicCommand())
	group("procs", a.procCommand(), a.ackCommand(), a.ackCommitCommand(), a.reclaimCommand(), a.procsCommand(), a.inspectCommand(),
		a.disableCommand(), a.resumeCommand(), a.seekCommand(), a.destroyCommand(), a.waitCommand(), a.systemProcsCommand(), a.runCommand())
	group("care", a.gcCommand(), only(reachDir, a.verifyCommand()), only(reachDir, a.repairCommand()), a.exportCommand(), only(reachDir, a.importCommand()),
		only(reachDir, a.backupCommand()), only(reachDir, a.restoreCommand()), only(reachDir, a.dumpCommand()))
	group("nodes", only(reachServe, a.serveCommand()), only(reachNode, a.pingCommand()))
	group("more", only(reachDir, a.demoCommand()), a.versionCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short, c.Args, c.RunE = "Completions for a shell", unknownCommand, func(*cobra.Command, []string) error {
				return errors.New("the name of a shell is missing: bash, zsh, fish or powershell")
			}
		}
	}
	return root
}

func init() { cobra.EnableCommandSorting = false } // the order of the help is ours

// usageTemplate leaves out the second usage line of commands with commands.
func usageTemplate(s string) string {
	return strings.Replace(s, "{{if .HasAvailableSubCommands}}\n  {{.CommandPath}} [command]{{end}}", "", 1)
}

// unknownCommand refuses the arguments of a command that has subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	s := fmt.Sprintf("unknown command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		s += fmt.Sprintf(" (did you mean %s?)", strings.Join(like, " or "))
	}
	return errors.New(s)
}

func (a *app) helpCommand() *cobra.Command {
	c := a.command("help [COMMAND]", "Help about a command", "Shows the help of a command, as its --help does.", "pipeproc help range", nil, nil)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		found, rest, err := cmd.Root().Find(args)
		if err == nil && len(rest) > 0 {
			err = unknownCommand(found, rest)
		}
		if err != nil {
			return err
		}
		found.InitDefaultHelpFlag()
		found.InitDefaultVersionFlag()
		return found.Help()
	}
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if found, _, err := cmd.Root().Find(args); err == nil {
			for _, sub := range found.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return a.command("version", "The version of this program", "Prints the version of this program, and what it was built with.",
		"pipeproc version", between(0, 0, ""), func(context.Context, []string) error {
			return a.line(version())
		})
}
