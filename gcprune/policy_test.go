package gcprune

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		field  string
		policy Policy
	}{
		{"GC", Policy{GC: 3}},
		{"IgnoreDisabled", Policy{IgnoreDisabled: 255}},
		{"MinAge", Policy{MinAge: -1}},
		{"MinAge", Policy{MinAge: math.MaxInt64}},
		{"MaxAge", Policy{MaxAge: -time.Hour}},
		{"MaxAge", Policy{MaxAge: maxDuration + 1}},
		{"MaxBytes", Policy{MaxBytes: -1}},
		{"Force", Policy{Force: true, GC: On}},
	} {
		_, err := c.policy.Check()
		if !errors.Is(err, errs.InvalidOptions) || !strings.Contains(err.Error(), ": "+c.field+": ") {
			t.Errorf("%+v: %v, want a word about %s", c.policy, err, c.field)
		}
	}
	for _, d := range []time.Duration{-1, math.MinInt64, math.MaxInt64} {
		if _, err := (Settings{MinAge: d}).Check(); !errors.Is(err, errs.InvalidOptions) {
			t.Errorf("settings with %v: %v", d, err)
		}
	}
}

func TestCheckRoundsUpToMilliseconds(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0: 0, 1: ms, ms: ms, ms + 1: 2 * ms, maxDuration: maxDuration, maxDuration - 1: maxDuration,
	} {
		p, err := Policy{MinAge: in, MaxAge: in}.Check()
		if err != nil || p.MinAge != want || p.MaxAge != want {
			t.Errorf("%v: %+v, %v", in, p, err)
		}
		s, err := Settings{MinAge: in}.Check()
		if err != nil || s.MinAge != want {
			t.Errorf("%v: %+v, %v", in, s, err)
		}
	}
	largest := Policy{Off, maxDuration, Off, maxDuration, math.MaxInt64, true}
	if p, err := largest.Check(); err != nil || p != largest {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestResolve(t *testing.T) {
	node := Settings{On: true, MinAge: time.Minute, IgnoreDisabled: true}
	for _, c := range []struct {
		name   string
		policy Policy
		node   Settings
		want   Rules
	}{
		{"nothing said", Policy{}, Settings{}, Rules{MinAge: 30 * time.Second}},
		{"the node's", Policy{}, node, Rules{GC: true, MinAge: time.Minute, IgnoreDisabled: true}},
		{"on against off", Policy{GC: On, IgnoreDisabled: On}, Settings{}, Rules{GC: true, MinAge: 30 * time.Second, IgnoreDisabled: true}},
		{"off against on", Policy{GC: Off, IgnoreDisabled: Off, MinAge: ms}, node, Rules{MinAge: ms}},
		{"retention", Policy{MaxAge: time.Hour, MaxBytes: 5, Force: true}, Settings{},
			Rules{MinAge: 30 * time.Second, MaxAge: time.Hour, MaxBytes: 5, Force: true}},
		{"whole milliseconds", Policy{}, Settings{MinAge: 1}, Rules{MinAge: ms}},
	} {
		if got := c.policy.Resolve(c.node); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRulesAny(t *testing.T) {
	for r, want := range map[Rules]bool{
		{}: false, {MinAge: ms, IgnoreDisabled: true, Force: true}: false,
		{GC: true}: true, {MaxAge: ms}: true, {MaxBytes: 1}: true,
	} {
		if r.Any() != want {
			t.Errorf("%+v: %v", r, r.Any())
		}
	}
}

func TestSwitchNames(t *testing.T) {
	for s, want := range map[Switch]string{Inherit: "inherit", On: "on", Off: "off"} {
		got, err := ParseSwitch(want)
		if s.String() != want || got != s || err != nil {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	if s := Switch(7).String(); s != "Switch(7)" {
		t.Error(s)
	}
	if _, err := ParseSwitch("yes"); !errors.Is(err, errs.InvalidOptions) {
		t.Error(err)
	}
}
