package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// claimedBefore makes a store with three records in topic t, which the proc p
// claimed an hour ago.
func claimedBefore(t *testing.T, o pipeproc.ProcOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	n, err := pipeproc.Open(dir, &pipeproc.Options{Clock: func() time.Time { return time.Now().Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range numbered(3) {
		if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: []byte(line)}); err != nil {
			t.Fatal(err)
		}
	}
	o.Name, o.Topic = "p", "t"
	if c, err := n.Claim(t.Context(), o); err != nil || c.Empty() {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openClaim returns the text of the open claim of p without taking anything
// back.
func openClaim(t *testing.T, dir string) string {
	t.Helper()
	n, err := pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	i, err := n.InspectProc(t.Context(), "p")
	if err != nil || i.Claim == (pipeproc.Token{}) {
		t.Fatalf("%+v, %v", i, err)
	}
	return i.Claim.String()
}

// A claim that timed out while no process had the store open is taken back
// before a command on its proc does anything.
func TestLapsedClaim(t *testing.T) {
	for args, code := range map[string]string{"ack p": "invalid_ack:", "reclaim p": "nothing_to_reclaim:", "ack-commit p --to u": "invalid_ack_or_commit:",
		"ack p --claim ": "claim_lost:", "reclaim p --claim ": "claim_lost:", "ack-commit p --to u --claim ": "claim_lost:"} {
		dir := claimedBefore(t, pipeproc.ProcOptions{Retry: pipeproc.RetryPolicy{ReclaimTimeout: 59 * time.Minute}})
		if strings.HasSuffix(args, " ") {
			args += openClaim(t, dir)
		}
		fails(t, exitError, "x\n", argv(args+" --dir "+dir), code)
		if p := aProc(t, dir, "inspect", "p"); p.Reclaims != 1 || p.Claim != "" {
			t.Errorf("%s: %+v", args, p)
		}
	}

	dir := claimedBefore(t, pipeproc.ProcOptions{Count: 2, Retry: pipeproc.RetryPolicy{ReclaimTimeout: 59 * time.Minute}})
	if got := ok(t, "", argv("proc p --topic t --output body --dir "+dir)...); got != "line 0\n" {
		t.Errorf("%q", got)
	}
	if p := aProc(t, dir, "inspect", "p"); p.Reclaims != 1 || p.Claim == "" {
		t.Errorf("%+v", p)
	}

	dir = claimedBefore(t, pipeproc.ProcOptions{Retry: pipeproc.RetryPolicy{ReclaimTimeout: 61 * time.Minute}})
	ok(t, "", argv("ack p --dir "+dir)...)

	dir = claimedBefore(t, pipeproc.ProcOptions{Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
	ok(t, "", argv("ack p --dir "+dir)...)
}
