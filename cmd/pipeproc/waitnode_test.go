//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A command that is given right after the node of its namespace was started, as a script
// does, waits for it; one whose node never comes fails as always.
func TestNodeIsBeingStarted(t *testing.T) {
	dir, err := os.MkdirTemp("", "pp") // short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	begin := time.Now()
	fails(t, exitError, "", argv("topics --namespace shop"), "no node answers at unix://"+dir, "no such file", "pipeproc serve")
	if d := time.Since(begin); d < nodeWait || d > 10*nodeWait {
		t.Errorf("it waited %v", d)
	}
	begin = time.Now()
	fails(t, exitError, "", argv("topics --connect unix://"+dir+"/s"), "no node answers")
	if d := time.Since(begin); d >= nodeWait {
		t.Errorf("it waited %v for an address", d)
	}
	type outcome struct{ commit, ping result }
	got := make(chan outcome)
	go func() {
		got <- outcome{runs(t, "milk\n", argv("commit orders --namespace shop")...), runs(t, "", argv("ping --namespace shop")...)}
	}()
	time.Sleep(200 * time.Millisecond)
	serve(t, "--memory", "--namespace", "shop")
	if g := <-got; g.commit.code != exitOK || g.ping.code != exitOK {
		t.Errorf("%+v", g)
	}
}

// The README's block for the shell does what it says when it is pasted as it is.
func TestReadmeBlock(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it needs a recent bash")
	}
	for _, name := range []string{"bash", "python3"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## Command line\n")
	_, rest, ok2 := strings.Cut(rest, "```sh\n")
	block, _, ok3 := strings.Cut(rest, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the block is not there")
	}
	dir, err := os.MkdirTemp("", "pp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(examples, filepath.Join(dir, "examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "pipeproc")); err != nil {
		t.Fatal(err)
	}
	// What is typed at the end of the block is Ctrl-C, once what was committed has arrived.
	const last = "pipeproc tail loud --namespace shop --follow"
	before, _, ok := strings.Cut(block, last)
	if !ok {
		t.Fatal("the block ends otherwise")
	}
	block = before + "grep -m 1 MILK <(" + last + ")\nkill -INT $!; kill %2 %1; wait"
	c := child(t)
	c.Args = []string{"bash", "-c", block}
	if c.Path, err = exec.LookPath("bash"); err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	c.Env = append(c.Env, "TMPDIR="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if s := string(out); err != nil || strings.Contains(s, "no node answers") || !strings.Contains(s, `"body":"MILK"`) {
		t.Errorf("%v\n%s", err, s)
	}
}
