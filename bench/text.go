package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// text returns at most n bodies cut out of the source of the Go distribution, real
// text that everybody has who can run this.
func text(size, n int) ([][]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("where the Go distribution is: %w", err)
	}
	var all []byte
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".go" {
			return err
		}
		if len(all) > n*size {
			return fs.SkipAll
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		return nil, err
	}
	var list [][]byte
	for ; len(all) >= size && len(list) < n; all = all[size:] {
		list = append(list, all[:size:size])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the Go distribution has no source")
	}
	return list, nil
}
