package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

// syncFlag is always, interval=D or never.
type syncFlag struct{ mode pipeproc.SyncMode }

func (f *syncFlag) Set(s string) error {
	switch {
	case s == "always":
		f.mode = pipeproc.SyncAlways
		return nil
	case s == "never":
		f.mode = pipeproc.SyncNever
		return nil
	case strings.HasPrefix(s, "interval="):
		d, err := time.ParseDuration(strings.TrimPrefix(s, "interval="))
		if err == nil && d > 0 {
			f.mode = pipeproc.SyncInterval(d)
			return nil
		}
		return fmt.Errorf("the interval must be a time such as 100ms or 1s")
	}
	return fmt.Errorf("it must be always, interval=D or never")
}

func (f *syncFlag) String() string {
	switch f.mode {
	case pipeproc.SyncAlways:
		return "always"
	case pipeproc.SyncNever:
		return "never"
	}
	return "interval=" + time.Duration(f.mode).String()
}

func (f *syncFlag) Type() string { return "MODE" }

// sizeFlag is a number of bytes with an optional unit.
type sizeFlag struct {
	n         int64
	low, high int64
}

var units = []struct {
	name string
	size float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1}, {"", 1},
}

func (f *sizeFlag) Set(s string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToLower(s), u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if v *= u.size; err != nil || math.IsNaN(v) || v != math.Trunc(v) || strings.ContainsAny(digits, "_xpine") {
			return fmt.Errorf("it must be a number of bytes, such as 65536, 64KiB, 16MiB or 1GiB")
		}
		if v < float64(f.low) || v > float64(f.high) {
			return fmt.Errorf("it must be from %s to %s", sizeText(f.low), sizeText(f.high))
		}
		f.n = int64(v)
		return nil
	}
	return nil
}

func (f *sizeFlag) String() string {
	if f.n == 0 {
		return ""
	}
	return sizeText(f.n)
}

func (f *sizeFlag) Type() string { return "BYTES" }

func sizeText(n int64) string {
	for _, u := range units[:3] {
		if k := n / int64(u.size); k >= 1 && k < 1024 && n%int64(u.size) == 0 {
			return fmt.Sprintf("%d%siB", k, strings.ToUpper(u.name[:1]))
		}
	}
	return strconv.FormatInt(n, 10)
}

// countFlag is a whole number of at least low.
type countFlag struct{ n, low int }

func (f *countFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("it must be a whole number")
	}
	if n < f.low {
		return fmt.Errorf("it must be %d or more", f.low)
	}
	f.n = n
	return nil
}

func (f *countFlag) String() string { return strconv.Itoa(f.n) }
func (f *countFlag) Type() string   { return "N" }

// textFlag is any text, shown in the help as what it stands for.
type textFlag struct {
	p    *string
	what string
}

func (f textFlag) Set(s string) error { *f.p = s; return nil }
func (f textFlag) String() string {
	if f.p == nil {
		return ""
	}
	return *f.p
}
func (f textFlag) Type() string { return f.what }

// choiceFlag is one of several words.
type choiceFlag struct {
	value   string
	choices []string
}

func (f *choiceFlag) Set(s string) error {
	if !slices.Contains(f.choices, s) {
		return fmt.Errorf("it must be %s", orList(f.choices))
	}
	f.value = s
	return nil
}

func (f *choiceFlag) String() string { return f.value }
func (f *choiceFlag) Type() string   { return strings.Join(f.choices, "|") }

func orList(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " or " + s[len(s)-1]
}

// choice adds a choiceFlag.
func choice(cmd *cobra.Command, name, def, usage string, choices ...string) *choiceFlag {
	f := &choiceFlag{value: def, choices: choices}
	cmd.Flags().Var(f, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func compressionFlag(cmd *cobra.Command, usage string) *choiceFlag {
	return choice(cmd, "compression", "", usage, "none", "zstd")
}

func (f *choiceFlag) compression() pipeproc.Compression {
	if f.value == "zstd" {
		return pipeproc.Zstd
	}
	return pipeproc.NoCompression
}
