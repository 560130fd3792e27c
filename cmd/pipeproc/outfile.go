package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// outFile is a file that appears under its name only when it is complete.
// Anything other than a regular file, such as a pipe, is written directly.
type outFile struct {
	*os.File
	name string // "" when there is nothing to rename
}

func createFile(name string) (*outFile, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &outFile{File: f}, err
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	return &outFile{f, name}, err
}

// commit makes the file durable and gives it its name.
func (f *outFile) commit() error {
	if f.name == "" {
		return f.Close()
	}
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.File.Name(), f.name)
	}
	if err == nil {
		f.name = ""
	}
	return err
}

// discard removes a file that was not committed.
func (f *outFile) discard() {
	_ = f.Close()
	if f.name != "" {
		_ = os.Remove(f.File.Name())
	}
}
