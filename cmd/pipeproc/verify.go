package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const verifyLong = `
Reads every file of the store, checks all of it against its checksums, and lists
what is damaged. It changes nothing. The store must not be in use.

With --output json, the result is one object:
{"clean":…,"files":…,"bytes":…,"records":…,"topics":…,"damage":[…],"warnings":[…],"elapsedMs":…}

The exit code is 0 for a clean store, 1 when there is damage, and 2 when the
store could not be verified.
`

func (a *app) verifyCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("verify [flags]", "Check a store for damage", verifyLong, "pipeproc verify\npipeproc --dir /var/lib/app verify --output json",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			p := a.progress()
			r, err := pipeproc.Verify(ctx, a.dir, &pipeproc.VerifyOptions{Progress: p.verify})
			p.done()
			if err != nil {
				return codeError{err, exitUsage}
			}
			if output.value == "json" {
				err = a.printJSON(verifyReportJSON(r))
			} else {
				err = a.line(verifyText(r))
			}
			if err == nil && len(r.Damage) > 0 {
				err = damageError(r)
			}
			return err
		})
	output = choice(cmd, "output", "text", "form of the result", "text", "json")
	return cmd
}

// verify shows how far a verification has got.
func (p *progress) verify(v pipeproc.VerifyProgress) {
	p.update(func() string {
		return fmt.Sprintf("verifying: %d of %d files, %s of %s", v.Files, v.FilesTotal, size(v.Bytes), size(v.BytesTotal))
	})
}

func damageError(r *pipeproc.VerifyReport) error {
	return fmt.Errorf("corrupt: %s; 'pipeproc repair' keeps everything outside of the damage and says what it drops", places(r))
}

func places(r *pipeproc.VerifyReport) string {
	return plural(len(r.Damage), "damaged place")
}

func verifyText(r *pipeproc.VerifyReport) string {
	s := ""
	for _, d := range r.Damage {
		s += oneLine(d.Error()) + "\n"
	}
	for _, w := range r.Warnings {
		s += "warning: " + oneLine(w) + "\n"
	}
	state := "clean"
	if len(r.Damage) > 0 {
		state = places(r)
	}
	return s + fmt.Sprintf("%s: verified %s (%s), %s in segment files, %s, in %s", state, plural(r.Files, "file"), size(r.Bytes),
		plural(r.Records, "record"), plural(r.Topics, "topic"), took(r.Elapsed))
}

type damageJSON struct {
	File    string `json:"file"`
	Topic   string `json:"topic,omitempty"`
	Segment uint64 `json:"segment,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
	First   uint64 `json:"first,omitempty"`
	Next    uint64 `json:"next,omitempty"`
	What    string `json:"what"`
}

type verifyJSON struct {
	Clean     bool         `json:"clean"`
	Files     int          `json:"files"`
	Bytes     int64        `json:"bytes"`
	Records   uint64       `json:"records"`
	Topics    int          `json:"topics"`
	Damage    []damageJSON `json:"damage"`
	Warnings  []string     `json:"warnings"`
	ElapsedMS float64      `json:"elapsedMs"`
}

func verifyReportJSON(r *pipeproc.VerifyReport) *verifyJSON {
	j := &verifyJSON{Clean: len(r.Damage) == 0, Files: r.Files, Bytes: r.Bytes, Records: r.Records, Topics: r.Topics,
		Damage: []damageJSON{}, Warnings: append([]string{}, r.Warnings...), ElapsedMS: float64(r.Elapsed.Microseconds()) / 1000}
	for _, d := range r.Damage {
		dj := damageJSON{File: d.File, Topic: d.Topic, Segment: d.Segment, First: d.First, Next: d.Next, What: d.What}
		if d.Offset >= 0 {
			dj.Offset = &d.Offset
		}
		if d.Err != nil {
			dj.What += ": " + d.Err.Error()
		}
		j.Damage = append(j.Damage, dj)
	}
	return j
}

func (a *app) printJSON(v any) error {
	out := a.lines()
	if err := out.json(v); err != nil {
		return err
	}
	return out.flush()
}
