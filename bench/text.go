package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// text returns at most n bodies cut out of the source of the Go distribution, real
// text that is available wherever this runs.
func text(size, n int) ([][]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("where the Go distribution is: %w", err)
	}
	// One buffer of the right size, so that the memory of the bodies is not
	// attributed to the measured system. It is filled by copying, not by reading into
	// it, so that the first touch of each page also happens here.
	all := make([]byte, 0, n*size)
	some := make([]byte, 64<<10)
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".go" {
			return err
		}
		if len(all) == cap(all) {
			return fs.SkipAll
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for {
			got, err := f.Read(some[:min(len(some), cap(all)-len(all))])
			all = append(all, some[:got]...)
			if errors.Is(err, io.EOF) || len(all) == cap(all) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	list := make([][]byte, 0, min(n, len(all)/size))
	for ; len(all) >= size && len(list) < n; all = all[size:] {
		list = append(list, all[:size:size])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the Go distribution has no source")
	}
	return list, nil
}
