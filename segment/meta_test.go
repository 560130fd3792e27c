package segment

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestMetaRoundTrip(t *testing.T) {
	for _, name := range []string{"", "a", "orders", strings.Repeat("n", 255), "\x00\xff"} {
		m := Meta{Store: [16]byte{1, 15: 2}, Topic: 3, Number: 4, Base: 5, Epoch: 6, Name: name}
		got, err := ParseMeta(append(m.Encode(), "more"...))
		if err != nil || got != m {
			t.Errorf("%q: got %+v, %v", name, got, err)
		}
	}
	m := Meta{Name: strings.Repeat("n", 300)}
	if got, err := ParseMeta(m.Encode()); err != nil || len(got.Name) != 255 {
		t.Errorf("long name: %+v, %v", got, err)
	}
}

func TestParseMetaRefuses(t *testing.T) {
	m := Meta{Store: [16]byte{1}, Topic: 3, Number: 4, Base: 5, Epoch: 6, Name: "orders"}
	good := m.Encode()
	for name, c := range map[string]struct {
		at, value int
		want      error
	}{
		"magic":            {0, 'X', errMetaMagic},
		"version 2":        {8, 2, ErrVersion},
		"version 0":        {8, 0, ErrVersion},
		"version 257":      {9, 1, ErrVersion},
		"flag":             {10, 1, ErrVersion},
		"high flag":        {11, 0x80, ErrVersion},
		"header size":      {12, 1, errMetaFields},
		"name too short":   {64, 5, errMetaFields},
		"padding":          {metaSum - 1, 1, errMetaFields},
		"padding of names": {metaName + 6, 1, errMetaFields},
	} {
		b := slices.Clone(good)
		b[c.at] = byte(c.value)
		binary.LittleEndian.PutUint64(b[metaSum:], xxhash.Sum64(b[:metaSum]))
		if _, err := ParseMeta(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		} else if errors.Is(err, ErrCorrupt) == errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v is both or neither", name, err)
		}
	}
	for n := range good {
		if _, err := ParseMeta(good[:n]); err != errMetaShort {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	for bit := range len(good) * 8 {
		good[bit/8] ^= 1 << (bit % 8)
		if _, err := ParseMeta(good); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bit %d: %v", bit, err)
		}
		good[bit/8] ^= 1 << (bit % 8)
	}
}
