package behaviour_test

import (
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/worker/program"
)

// A node without a runner keeps system procs that have a Command waiting, says why,
// and loses nothing: a runner that comes with a later opening does the work.
func TestNodeWithoutRunner(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	o := pipeproc.SystemProcOptions{Name: "upper", From: []string{"in"}, To: []string{"out"}, Command: []string{"/bin/sh", "-c", upper}}

	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := n.DefineSystemProc(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if w := list[0].Waiting; !strings.Contains(w, "Options.Programs") {
		t.Errorf("waiting: %q", w)
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte("tea")}); err != nil {
		t.Fatal(err)
	}
	if i, err := n.InspectProc(ctx, "upper"); err != nil || i.Pending != 1 || i.Reclaims != 0 || i.Claim != (pipeproc.Token{}) || i.Waiting == "" {
		t.Errorf("%+v, %v", i, err)
	}
	if s, err := n.SystemProcs(ctx); err != nil || len(s) != 1 || s[0].Running {
		t.Errorf("%+v, %v", s, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}

	r, err := program.NewRunner(program.RunnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open(dir, &pipeproc.Options{Programs: r}); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.WaitForProcs(ctx, "upper"); err != nil {
		t.Fatal(err)
	}
	rec, err := n.Get(ctx, "out", 0)
	if err != nil || string(rec.Body) != "TEA" {
		t.Errorf("%q, %v", rec.Body, err)
	}
	if i, err := n.InspectProc(ctx, "upper"); err != nil || i.Waiting != "" {
		t.Errorf("%+v, %v", i, err)
	}
}

// upper is a program of three lines that answers each record with TEA.
const upper = `read hello; echo '{"pipeproc":1}'
while read line; do n=${line#*'"n":'}; echo "{\"n\":${n%%,*},\"out\":[\"TEA\"]}"; done`
