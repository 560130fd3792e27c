package vfs

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

type system struct {
	name string
	new  func(t *testing.T) (FS, string)
}

// systems are the file systems that all must behave alike; each call of new
// returns one and an existing empty directory on it.
var systems = []system{
	{"os", func(t *testing.T) (FS, string) { return OS(), t.TempDir() }},
	{"mem", func(t *testing.T) (FS, string) { return inDir(t, NewMem()) }},
	{"crash", func(t *testing.T) (FS, string) { return inDir(t, NewCrash()) }},
	{"killed", func(t *testing.T) (FS, string) { return inDir(t, NewCrash().Kill()) }},
	{"fault-os", func(t *testing.T) (FS, string) { return NewFault(OS(), nil), t.TempDir() }},
	{"fault-mem", func(t *testing.T) (FS, string) {
		return inDir(t, NewFault(NewMem(), func(Op) error { return nil }))
	}},
	{"os-dir", func(t *testing.T) (FS, string) { return opened(t, OS(), t.TempDir()) }},
	{"mem-dir", func(t *testing.T) (FS, string) { return opened(t, NewMem(), "/") }},
	{"crash-dir", func(t *testing.T) (FS, string) { return opened(t, NewCrash(), "/") }},
	{"fault-os-dir", func(t *testing.T) (FS, string) { return opened(t, NewFault(OS(), nil), t.TempDir()) }},
	{"fault-mem-dir", func(t *testing.T) (FS, string) { return opened(t, NewFault(NewMem(), nil), "/") }},
}

// opened returns an empty directory of a Dir.
func opened(t *testing.T, f FS, in string) (FS, string) {
	d := dir(t, f, in)
	must(t, d.MkdirAll("d/sub"))
	return d, "d/sub"
}

func dir(t testing.TB, f FS, name string) Dir {
	t.Helper()
	d, err := f.OpenDir(name)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func inDir(t *testing.T, f FS) (FS, string) {
	must(t, f.MkdirAll("/d/sub"))
	return f, "/d/sub"
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error = %v, want %v", err, target)
	}
}

func open(t testing.TB, f FS, name string, flag Flag) File {
	t.Helper()
	file, err := f.Open(name, flag)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func mapping(t testing.TB, file File, size int64, writable bool) Mapping {
	t.Helper()
	m, err := file.Map(size, writable)
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func write(t testing.TB, file File, off int64, s string) {
	t.Helper()
	n, err := file.WriteAt([]byte(s), off)
	must(t, err)
	if n != len(s) {
		t.Fatalf("wrote %d of %d", n, len(s))
	}
}

func put(t testing.TB, f FS, name, s string) {
	t.Helper()
	file, err := f.Open(name, Create)
	must(t, err)
	write(t, file, 0, s)
	must(t, file.Close())
}

func text(t testing.TB, file File) string {
	t.Helper()
	size, err := file.Size()
	must(t, err)
	buf := make([]byte, size)
	if n, err := file.ReadAt(buf, 0); n < len(buf) || err != nil && err != io.EOF {
		t.Fatalf("read %d of %d: %v", n, len(buf), err)
	}
	return string(buf)
}

func get(t testing.TB, f FS, name string) string {
	t.Helper()
	file, err := f.Open(name, Read)
	must(t, err)
	defer file.Close()
	return text(t, file)
}

func wantText(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("content = %.60q (%d bytes), want %.60q (%d bytes)", got, len(got), want, len(want))
	}
}

func names(t testing.TB, f FS, dir string) string {
	t.Helper()
	infos, err := f.ReadDir(dir)
	must(t, err)
	var list []string
	for _, i := range infos {
		list = append(list, i.Name)
	}
	return fmt.Sprint(list)
}

func wantSome(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
	}
}
