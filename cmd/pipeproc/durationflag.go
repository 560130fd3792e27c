package main

import (
	"errors"
	"fmt"
	"time"
)

// never is the duration that stands for no timeout.
const never = -time.Millisecond

// durationFlag is a duration with its unit or, where allowed, the word never.
type durationFlag struct {
	d, low  time.Duration
	orNever bool
}

func (f *durationFlag) Set(s string) error {
	if f.orNever && s == "never" {
		f.d = never
		return nil
	}
	d, err := time.ParseDuration(s)
	// ParseDuration accepts a bare 0, but bare numbers are refused: they have no
	// unit.
	if err != nil || s[len(s)-1] == '0' {
		text := "it must be a time with its unit, such as 500ms, 10s or 1h30m"
		if f.orNever {
			text += ", or never"
		}
		return errors.New(text)
	}
	if d < f.low {
		return fmt.Errorf("it must be %s or more", durationText(f.low))
	}
	f.d = d
	return nil
}

func (f *durationFlag) String() string {
	if f.d == 0 {
		return ""
	}
	return durationText(f.d)
}

func (f *durationFlag) Type() string { return "TIME" }

// durationText writes a duration as the flags take it.
func durationText(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return d.String()
}
