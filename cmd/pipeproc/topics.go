package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const topicsLong = `
Lists the topics with the number of records that can be read, the first sequence
that there is, the next one, the time of the newest record (UTC), the bytes of
all records that were ever committed, and the bytes that they take on disk.

With --output json, one object per line; times are unix milliseconds.
`

func (a *app) topicsCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("topics [flags]", "List the topics", topicsLong, "pipeproc topics\npipeproc topics --output json | jq .records",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				list, err := n.Topics(ctx)
				if err != nil {
					return err
				}
				if output.value == "json" {
					return a.topicLines(list)
				}
				if len(list) == 0 {
					a.note("note: there are no topics yet; 'pipeproc commit TOPIC' makes one")
				}
				return a.line(topicTable(list))
			})
		})
	output = choice(cmd, "output", "table", "form of the list", "table", "json")
	return cmd
}

func topicTable(list []pipeproc.TopicInfo) string {
	rows := [][]string{{"NAME", "RECORDS", "FIRST", "NEXT", "LAST TIME", "BYTES", "DISK"}}
	for _, t := range list {
		last := "-"
		if !t.LastTime.IsZero() {
			last = clock(t.LastTime)
		}
		row := []string{t.Name, fmt.Sprint(t.Records), fmt.Sprint(t.First), fmt.Sprint(t.Next), last, size(t.Bytes), size(t.DiskBytes)}
		if t.Damaged != nil {
			row = append(row, "damaged")
		}
		rows = append(rows, row)
	}
	return table(rows)
}

type topicJSON struct {
	Name        string `json:"name"`
	Records     uint64 `json:"records"`
	First       uint64 `json:"first"`
	Next        uint64 `json:"next"`
	CreatedAt   int64  `json:"createdAt"`
	LastTime    int64  `json:"lastTime"`
	Bytes       int64  `json:"bytes"`
	DiskBytes   int64  `json:"diskBytes"`
	Segments    int    `json:"segments"`
	SegmentSize int64  `json:"segmentSize"`
	Compression string `json:"compression"`
	Damage      string `json:"damage,omitempty"`
}

func (a *app) topicLines(list []pipeproc.TopicInfo) error {
	out := a.lines()
	for _, t := range list {
		j := topicJSON{t.Name, t.Records, t.First, t.Next, millis(t.CreatedAt), millis(t.LastTime), t.Bytes, t.DiskBytes,
			t.Segments, t.Options.SegmentSize, t.Options.Compression.String(), ""}
		if t.Damaged != nil {
			j.Damage = t.Damaged.Error()
		}
		if err := out.json(j); err != nil {
			return err
		}
	}
	return out.flush()
}

// json adds v as a line of JSON.
func (l *lineWriter) json(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // offsets are ">" and "$>"
	if err := e.Encode(v); err != nil {
		return err
	}
	return l.line(func(dst []byte) []byte { return append(dst, bytes.TrimSpace(b.Bytes())...) })
}
