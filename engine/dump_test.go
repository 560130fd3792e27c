package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestDumpSnapshot demands that a dump names the sections of a snapshot.
func TestDumpSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	e := sentEngine(t, fs)
	ctx := context.Background()
	client := once.Client{1, 2, 3}
	if _, err := e.commitOne(WithKey(ctx, once.Key{Client: client, Seq: 1, Floor: 1}, nil), "in"); err != nil {
		t.Fatal(err)
	}
	o, err := procstate.Options{}.Check("in")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.EnsureProc(ctx, procstate.Def{Name: "p", Topic: "in", Options: o}); err != nil {
		t.Fatal(err)
	}
	if err := e.SetPolicy(ctx, "in", gcprune.Policy{MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Dump(&out, fs, "s/snapshot-1", false); err != nil { // that of the first checkpoint
		t.Fatal(err)
	}
	text := out.String()
	for _, s := range []string{"registry, ", "topic 1 \"in\"", "procs, ", "proc 1 \"p\"", "retention of topic 1", fmt.Sprintf("replies to client %x", client)} {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in\n%s", s, text)
		}
	}
	if strings.Contains(text, "BAD") || strings.Contains(text, "unknown") {
		t.Errorf("%s", text)
	}
}
