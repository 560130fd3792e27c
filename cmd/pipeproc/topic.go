package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

func (a *app) topicCommand() *cobra.Command {
	cmd := a.command("topic COMMAND", "Create, delete or describe one topic", "Creates, deletes or describes one topic, or says what of it may be deleted with time.",
		"pipeproc topic create orders --compression zstd\npipeproc topic info orders\npipeproc topic delete orders\npipeproc topic retention orders --max-age 720h", unknownCommand,
		func(context.Context, []string) error {
			return usageError{errors.New("a command is missing: create, delete, info or retention")}
		})
	cmd.AddCommand(a.topicCreateCommand(), a.topicDeleteCommand(), a.topicInfoCommand(), a.topicRetentionCommand())
	return cmd
}

func (a *app) topicCreateCommand() *cobra.Command {
	segment := sizeFlag{low: 64 << 10, high: 1 << 31}
	var compression *choiceFlag
	cmd := a.command("create NAME [flags]", "Create a topic", `
Creates a topic without records, and the directory if need be. That is needed
only for a topic with options of its own; others come to be with their first
record. The options stay for good.

Segments are the files of a topic. A larger size means fewer files, a smaller
one that pruned space is free sooner. zstd compression is for text that is
larger than it needs to be; it costs time on every commit.`,
		"pipeproc topic create orders\npipeproc topic create logs --segment-size 256MiB --compression zstd", between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			n, err := a.open(ctx, a.options())
			return with(n, err, func(n pipeproc.Store) error {
				o := pipeproc.TopicOptions{SegmentSize: segment.n, Compression: compression.compression()}
				if err := n.CreateTopic(ctx, args[0], o); err != nil {
					return err
				}
				return a.line(fmt.Sprintf("created topic %q", args[0]))
			})
		})
	cmd.Flags().Var(&segment, "segment-size", "size of its segment files, 64KiB to 2GiB; 64MiB unless given")
	compression = compressionFlag(cmd, "how its records are stored; none unless given")
	return cmd
}

func (a *app) topicDeleteCommand() *cobra.Command {
	return a.command("delete NAME", "Delete a topic with all its records", `
Deletes a topic and all its records for good. There is no question asked. A
topic of the same name that is made later has nothing to do with it.`,
		"pipeproc topic delete orders", between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			n, err := a.change(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				t, err := n.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				if err := n.DeleteTopic(ctx, args[0]); err != nil {
					return err
				}
				return a.line(fmt.Sprintf("deleted topic %q with %s", args[0], plural(t.Records, "record")))
			})
		})
}

func (a *app) topicInfoCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("info NAME [flags]", "Describe a topic", "Prints what there is to know about a topic. With --output json, as 'pipeproc topics' does.",
		"pipeproc topic info orders\npipeproc topic info orders --output json", between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				t, err := n.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				if output.value == "json" {
					return a.topicLines([]pipeproc.TopicInfo{t})
				}
				return a.line(topicText(t))
			})
		})
	output = choice(cmd, "output", "text", "form of the description", "text", "json")
	return cmd
}

func topicText(t pipeproc.TopicInfo) string {
	s := fmt.Sprintf("name         %s\nrecords      %d\nsequences    ", t.Name, t.Records)
	if t.Records > 0 {
		s += fmt.Sprintf("%d to %d", t.First, t.Next-1)
	} else {
		s += fmt.Sprintf("none; the next is %d", t.Next)
	}
	s += fmt.Sprintf("\ncreated      %s", clock(t.CreatedAt))
	if !t.LastTime.IsZero() {
		s += fmt.Sprintf("\nlast record  %s", clock(t.LastTime))
	}
	s += fmt.Sprintf("\nbytes        %d ever committed\ndisk         %d bytes in %s of %s\ncompression  %s",
		t.Bytes, t.DiskBytes, plural(t.Segments, "segment"), sizeText(t.Options.SegmentSize), t.Options.Compression)
	if t.Damaged != nil {
		s += "\ndamage       " + oneLine(t.Damaged.Error())
	}
	return s
}
