package main

import (
	"errors"
	"strings"
)

// textsFlag collects the topic names of a repeated flag.
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
