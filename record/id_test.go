package record

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func TestID(t *testing.T) {
	for _, id := range []ID{{}, {1, 2}, {1_700_000_000_000, 0}, {math.MaxInt64, math.MaxUint64}} {
		got, err := ParseID(id.String())
		if err != nil || got != id {
			t.Errorf("%v: %v, %v", id, got, err)
		}
		b, err := json.Marshal(map[ID]ID{id: id})
		if err != nil {
			t.Fatal(err)
		}
		var m map[ID]ID
		if err := json.Unmarshal(b, &m); err != nil || m[id] != id {
			t.Errorf("%s: %v, %v", b, m, err)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "1-2-3", "1-x", "x-1", "+1-2", "1-+2", " 1-2", "1-2 ", "0x1-2",
		"9223372036854775808-0", "0-18446744073709551616", strings.Repeat("9", 1000) + "-1"} {
		if id, err := ParseID(s); !errors.Is(err, errs.InvalidRangeOffset) || id != (ID{}) {
			t.Errorf("%q: %v, %v", s, id, err)
		}
	}
	ids := []ID{{2, 1}, {1, 5}, {2, 0}, {1, 4}}
	slices.SortFunc(ids, ID.Compare)
	if !slices.Equal(ids, []ID{{1, 4}, {1, 5}, {2, 0}, {2, 1}}) {
		t.Error(ids)
	}
}

func TestBoundText(t *testing.T) {
	for s, want := range map[string]Bound{
		"": {}, ":0": {SeqBound, ID{Seq: 0}}, ":18446744073709551615": {SeqBound, ID{Seq: math.MaxUint64}},
		"5": {TimeBound, ID{Millis: 5}}, "5-3": {IDBound, ID{5, 3}},
	} {
		b, err := ParseBound(s)
		if err != nil || b != want || b.String() != s {
			t.Errorf("%q: %+v, %v, %q", s, b, err, b.String())
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, s := range []string{"a", "A-z_0-9", strings.Repeat("x", MaxNameLen), "-", "_"} {
		if err := CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", " ", "a b", "a/b", "..", "a.b", "ä", "a\x00", strings.Repeat("x", MaxNameLen+1)} {
		if err := CheckName(s); !errors.Is(err, errs.InvalidTopicFormat) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
