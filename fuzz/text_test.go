package fuzz

import (
	"testing"

	"github.com/pipeproc/pipeproc/record"
)

// FuzzID parses ids. What parses is printed in a form that parses to the same.
func FuzzID(f *testing.F) {
	for _, s := range []string{"0-0", "1700000000000-5", "281474976710655-18446744073709551615", "", "-", "1-", "-1", "01-2", "1-02", "+1-2", "1-2 ", "99999999999999999999-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := record.ParseID(s)
		if err != nil {
			if id != (record.ID{}) {
				t.Fatalf("an error and the id %v", id)
			}
			return
		}
		// Leading zeroes are accepted and dropped.
		if again, err := record.ParseID(id.String()); err != nil || again != id || len(id.String()) > len(s) {
			t.Fatalf("%q became %v, which became %v: %v", s, id, again, err)
		}
		var other record.ID
		text, err := id.MarshalText()
		if err != nil || other.UnmarshalText(text) != nil || other != id || id.Compare(other) != 0 {
			t.Fatalf("%v became %v", id, other)
		}
	})
}

// FuzzBound parses the bounds of ranges.
func FuzzBound(f *testing.F) {
	for _, s := range []string{"", ":5", ":", ":18446744073709551615", "1700000000000", "1700000000000-5", "-5", ":-1", "1-2-3", ":05"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := record.ParseBound(s)
		if err != nil {
			return
		}
		again, err := record.ParseBound(b.String())
		if err != nil || again != b {
			t.Fatalf("%q became %v, which became %v: %v", s, b, again, err)
		}
	})
}
