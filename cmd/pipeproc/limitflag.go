package main

import (
	"errors"
	"strconv"
)

// limitFlag is a whole number of at least 1, or -1 for no limit.
type limitFlag struct{ n int }

func (f *limitFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < -1 || n == 0 {
		return errors.New("it must be 1 or more, or -1 for no limit")
	}
	f.n = n
	return nil
}

func (f *limitFlag) String() string { return strconv.Itoa(f.n) }
func (f *limitFlag) Type() string   { return "N" }
