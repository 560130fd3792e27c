package damage

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// hurt is one damage of one file.
type hurt struct {
	file, kind string // the file, and what it is
	how        string
	detail     string
	partner    string // what the file is that it was swapped with
	void       bool   // of nothing that counts
	same       bool   // the bytes are what they were
}

func (h hurt) String() string {
	return fmt.Sprintf("%s of %s (%s) %s", h.how, h.file, h.kind, h.detail)
}

// hurts are the ways to damage a file. Each returns the new content, nil for none, and
// the range that it changed.
var hurts = []struct {
	how string
	do  func(s *store, im image, name string, rnd *rand.Rand) (b []byte, from, to int64, detail string)
}{
	{"flip", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := bytes.Clone(im[name])
		if len(b) == 0 {
			return b, 0, 0, ""
		}
		at := rnd.IntN(len(b))
		if rnd.IntN(3) == 0 {
			at = rnd.IntN(min(len(b), 4096+200)) // headers are small
		}
		b[at] ^= 1 << rnd.IntN(8)
		return b, int64(at), int64(at) + 1, fmt.Sprint("at ", at)
	}},
	{"zero page", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := bytes.Clone(im[name])
		from := page(b, rnd)
		to := min(from+4096, len(b))
		clear(b[from:to])
		return b, int64(from), int64(to), fmt.Sprint("at ", from)
	}},
	{"zero range", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := bytes.Clone(im[name])
		from := rnd.IntN(len(b) + 1)
		to := from + rnd.IntN(len(b)-from+1)
		clear(b[from:to])
		return b, int64(from), int64(to), fmt.Sprint("from ", from, " to ", to)
	}},
	{"garbage", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := bytes.Clone(im[name])
		from := rnd.IntN(len(b) + 1)
		to := min(len(b), from+rnd.IntN(600))
		for i := from; i < to; i++ {
			b[i] = byte(rnd.Uint32())
		}
		return b, int64(from), int64(to), fmt.Sprint("from ", from, " to ", to)
	}},
	{"truncate", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := im[name]
		to := rnd.IntN(len(b) + 1)
		if rnd.IntN(2) == 0 {
			to &^= 4095
		}
		from := int64(to)
		if im.kind(name) == "log" {
			from = -1 // its header says how large it is
		}
		return b[:to:to], from, int64(len(b)), fmt.Sprint("to ", to)
	}},
	{"extend", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := im[name]
		more := make([]byte, 1+rnd.IntN(8192))
		if rnd.IntN(2) == 0 {
			for i := range more {
				more[i] = byte(rnd.Uint32())
			}
		}
		return append(bytes.Clone(b), more...), int64(len(b)), int64(len(b) + len(more)), fmt.Sprint("by ", len(more))
	}},
	{"delete", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		return nil, 0, int64(len(im[name])), ""
	}},
	{"delete all", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		void := im.void(name, 0, 1)
		for _, o := range im.names() {
			if o != name && fdir(o) == fdir(name) && fdir(name) != "" {
				void = void && im.void(o, 0, 1)
				delete(im, o)
			}
		}
		return nil, int64(b2i(void)) - 1, 1, "of its folder"
	}},
	{"swap", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		other := sibling(im, name, rnd)
		from := int64(0)
		if !im.void(other, 0, 1) {
			from = -1 // both count
		}
		im[other], im[name] = im[name], im[other]
		return im[name], from, int64(len(im[name])), "with " + other
	}},
	{"copy", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		other := sibling(im, name, rnd)
		return im[other], 0, int64(len(im[name])), "of " + other
	}},
	{"older", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b, which := s.olderCopy(name, rnd)
		return b, 0, int64(len(b)), which
	}},
	{"lost write", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		old, which := s.olderCopy(name, rnd)
		b := bytes.Clone(im[name])
		from := page(b, rnd)
		to := min(from+4096, len(b))
		clear(b[from:to])
		if from < len(old) {
			copy(b[from:to], old[from:])
		}
		return b, int64(from), int64(to), fmt.Sprint("at ", from, " ", which)
	}},
	{"misdirected write", func(s *store, im image, name string, rnd *rand.Rand) ([]byte, int64, int64, string) {
		b := bytes.Clone(im[name])
		from, at := page(b, rnd), page(b, rnd)
		copy(b[at:], im[name][from:min(from+4096, len(b))])
		return b, int64(at), int64(min(at+4096, len(b))), fmt.Sprint("of ", from, " to ", at)
	}},
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// page returns the offset of one of the pages of b, early ones more often.
func page(b []byte, rnd *rand.Rand) int {
	pages := (len(b) + 4095) / 4096
	if pages == 0 {
		return 0
	}
	return 4096 * rnd.IntN(1+rnd.IntN(pages))
}

// sibling returns another file in the same folder, of the same kind if there is one.
func sibling(im image, name string, rnd *rand.Rand) string {
	folder := func(s string) string {
		if i := bytes.IndexByte([]byte(s), '-'); i > 0 {
			return s[:i]
		}
		return s
	}
	var same, near []string
	for _, o := range im.names() {
		if o == name || folder(o) != folder(name) && !bytes.ContainsRune([]byte(name), '/') {
			continue
		}
		if fdir(o) != fdir(name) {
			continue
		}
		near = append(near, o)
		if im.kind(o) == im.kind(name) {
			same = append(same, o)
		}
	}
	if len(same) > 0 && rnd.IntN(3) > 0 {
		near = same
	}
	if len(near) == 0 {
		return name
	}
	return near[rnd.IntN(len(near))]
}

func fdir(name string) string {
	if i := bytes.LastIndexByte([]byte(name), '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// olderCopy returns a file as it was before; as it is, if it is new.
func (s *store) olderCopy(name string, rnd *rand.Rand) ([]byte, string) {
	var copies []int
	for i, im := range s.older {
		if b, ok := im[name]; ok && !bytes.Equal(b, s.im[name]) {
			copies = append(copies, i)
		}
	}
	if len(copies) == 0 {
		return s.im[name], ""
	}
	i := copies[rnd.IntN(len(copies))]
	return s.older[i][name], fmt.Sprintf("copy %d of %d", i, len(s.older))
}

// damage damages one file of im.
func (s *store) damage(im image, rnd *rand.Rand) hurt {
	byKind := map[string][]string{}
	for _, name := range im.names() {
		k := im.kind(name)
		byKind[k] = append(byKind[k], name)
	}
	kinds := slices.Sorted(maps.Keys(byKind))
	for _, k := range []string{"log", "log", "snapshot", "segment growing", "segment sealed", "STORE"} { // what counts, more often
		if byKind[k] != nil {
			kinds = append(kinds, k)
		}
	}
	kind := kinds[rnd.IntN(len(kinds))]
	name := byKind[kind][rnd.IntN(len(byKind[kind]))]
	way := hurts[rnd.IntN(len(hurts))]
	before := maps.Clone(im)
	b, from, to, detail := way.do(s, im, name, rnd)
	h := hurt{file: name, kind: kind, how: way.how, detail: detail, void: from >= 0 && before.void(name, from, to)}
	if b == nil {
		delete(im, name)
	} else {
		im[name] = b
	}
	for _, o := range im.names() {
		if o != name && way.how == "swap" && !bytes.Equal(im[o], before[o]) {
			h.partner = before.kind(o)
		}
	}
	h.same = maps.EqualFunc(im, before, bytes.Equal)
	h.void = h.void || h.same
	return h
}
