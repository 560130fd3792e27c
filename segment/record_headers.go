package segment

import (
	"encoding/binary"
	"iter"
)

// AppendHeader appends one entry to the headers section dst. Names may repeat
// and keep their order.
func AppendHeader(dst []byte, name string, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	dst = append(dst, name...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// EachHeader yields the entries of a headers section in order. Values alias
// the section. It stops at damage; see [CheckHeaders].
func EachHeader(section []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(section) > 0 {
			name, value, rest, err := cutHeader(section)
			if err != nil || !yield(string(name), value) {
				return
			}
			section = rest
		}
	}
}

// CheckHeaders reports whether a headers section is well formed. Its error
// matches ErrCorrupt.
func CheckHeaders(section []byte) error {
	for len(section) > 0 {
		_, _, rest, err := cutHeader(section)
		if err != nil {
			return err
		}
		section = rest
	}
	return nil
}

func cutHeader(section []byte) (name, value, rest []byte, err error) {
	if name, rest, err = cutBytes(section); err != nil {
		return nil, nil, nil, errHeaders
	}
	if value, rest, err = cutBytes(rest); err != nil {
		return nil, nil, nil, errHeaders
	}
	return name, value, rest, nil
}
