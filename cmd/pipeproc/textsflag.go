package main

import (
	"errors"
	"strings"
)

// textsFlag is the names of topics, each given by a flag of its own.
type textsFlag struct{ list []string }

func (f *textsFlag) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	f.list = append(f.list, s)
	return nil
}

func (f *textsFlag) String() string { return strings.Join(f.list, ",") }
func (f *textsFlag) Type() string   { return "TOPIC" }
