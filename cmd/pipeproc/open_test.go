package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pipeproc/pipeproc"
)

var allCommands = []string{"range t", "get t 0", "length t", "topics", "tail t", "topic info t", "topic create u", "topic delete t",
	"export t", "commit t", "import u", "backup b", "verify", "repair --yes",
	"proc p --topic t", "ack p", "reclaim p", "inspect p", "disable p", "resume p", "destroy p", "seek p >", "procs", "wait", "gc", "system-procs",
	"topic retention t", "topic retention t --gc on"}

func TestInUse(t *testing.T) {
	dir := store(t, "x")
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, args := range append(allCommands, "demo") {
		code := exitError
		if args == "verify" || args == "repair --yes" {
			code = exitUsage
		}
		fails(t, code, "", append([]string{"--dir", dir}, argv(args)...), "in use", fmt.Sprintf("process %d", os.Getpid()))
	}
}

func TestGarbageDirectory(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "STORE")
	if err := os.WriteFile(name, []byte("this is no store"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range allCommands {
		if args == "verify" || args == "repair --yes" {
			continue
		}
		fails(t, exitError, "", append([]string{"--dir", dir}, argv(args)...), "corrupt", "STORE")
	}
	if r := runs(t, "", "--dir", dir, "verify"); r.code == exitOK {
		t.Error("garbage was verified")
	}
	if r := runs(t, "", "--dir", dir, "repair", "--yes"); r.code == exitOK {
		t.Error("garbage was repaired")
	}
	if b, _ := os.ReadFile(name); string(b) != "this is no store" {
		t.Errorf("STORE is %q now", b)
	}
	file := writeFile(t, "file", "x")
	for _, args := range allCommands {
		if r := runs(t, "", append([]string{"--dir", file}, argv(args)...)...); r.code == exitOK {
			t.Errorf("%s: a file was taken for a directory", args)
		}
	}
}
