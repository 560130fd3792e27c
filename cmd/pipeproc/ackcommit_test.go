package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAckCommit(t *testing.T) {
	dir := store(t, numbered(5)...)
	d := " --dir " + dir
	all := ids(t, dir, "t")
	fails(t, exitError, "x\n", argv("ack-commit p --to u"+d), "invalid_proc:")
	claim := argv("proc p --topic t --count 2 --reclaim-timeout never" + d)
	ok(t, "", claim...)

	fails(t, exitError, "", argv("ack-commit p --to u"+d), "uncommited:", "pipeproc ack")
	fails(t, exitError, "x\n", argv("ack-commit p --to a.b"+d), "invalid_topic_format:")
	fails(t, exitError, "x\n", argv("ack-commit p nowhere --to u"+d), "nowhere")
	fails(t, exitError, "1\n22\n", argv("ack-commit p --to u --max-body 1"+d), "too_large:", "line 2", "--max-body")
	fails(t, exitError, "x\n", argv("ack-commit p --to u --claim 1-1"+d), "claim_lost:")
	fails(t, exitError, "", argv("length u"+d), "invalid_topic")
	if p := aProc(t, dir, "inspect", "p"); p.Next != 0 || p.Claim == "" {
		t.Errorf("%+v", p)
	}

	lines := strings.Split(ok(t, "a\n\nlast", argv("ack-commit p --to u"+d)...), "\n")
	if want := append([]string{all[0] + ".." + all[1]}, append(ids(t, dir, "u"), "")...); !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
	if got := bodies(t, dir, "u"); !slices.Equal(got, []string{"a", "", "last"}) {
		t.Errorf("%q", got)
	}
	fails(t, exitError, "x\n", argv("ack-commit p --to u"+d), "invalid_ack_or_commit:", "nothing was committed")

	ok(t, "", claim...)
	token := aProc(t, dir, "inspect", "p").Claim
	ok(t, "", "ack-commit", "p", writeFile(t, "in", "from a file\n"), "--to", "u", "--claim", token, "--dir", dir)
	ok(t, "", claim...)
	ok(t, "from stdin\n", argv("ack-commit --to u p -"+d)...)
	if got := bodies(t, dir, "u"); !slices.Equal(got, []string{"a", "", "last", "from a file", "from stdin"}) {
		t.Errorf("%q", got)
	}
	if p := aProc(t, dir, "inspect", "p"); p.Next != 5 || p.LastAckedRange != all[4]+".."+all[4] {
		t.Errorf("%+v", p)
	}
	fails(t, exitError, "x\n", argv("ack-commit p --to u"+d), "invalid_ack_or_commit:")
	ok(t, "", argv("disable p"+d)...)
	fails(t, exitError, "x\n", argv("ack-commit p --to u"+d), "invalid_ack_or_commit:")
}
