package segment

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

const (
	// FileHeaderSize is the size of the header of a segment file in bytes, and
	// so the offset of its first block.
	FileHeaderSize = 512

	metaMagic   = "PPSEGMNT"
	metaVersion = 1
	metaName    = 65                 // offset of the name
	metaSum     = FileHeaderSize - 8 // offset of the checksum
	maxName     = 255                // bytes
	fileSuffix  = ".seg"
)

// Meta is the content of a segment's file header.
type Meta struct {
	Store  [16]byte // id of the store
	Topic  uint64   // id of the topic
	Number uint64   // number of the segment within the topic
	Base   uint64   // sequence of the first record
	Epoch  uint64   // epoch of the engine that created the file
	Name   string   // name of the topic, at most 255 bytes
}

// Place returns the place of the segment.
func (m *Meta) Place() Place { return NewPlace(m.Store, m.Topic, m.Number) }

// FileName returns the base name of the segment's file.
func (m *Meta) FileName() string { return FileName(m.Topic, m.Number) }

// Encode returns the file header, FileHeaderSize bytes. It truncates a name that is
// too long, which [Create] refuses.
func (m *Meta) Encode() []byte {
	b := make([]byte, FileHeaderSize)
	name := m.Name[:min(len(m.Name), maxName)]
	le := binary.LittleEndian
	copy(b, metaMagic)
	le.PutUint16(b[8:], metaVersion)
	le.PutUint16(b[10:], 0) // flags
	le.PutUint32(b[12:], FileHeaderSize)
	copy(b[16:32], m.Store[:])
	le.PutUint64(b[32:], m.Topic)
	le.PutUint64(b[40:], m.Number)
	le.PutUint64(b[48:], m.Base)
	le.PutUint64(b[56:], m.Epoch)
	b[64] = byte(len(name))
	copy(b[metaName:], name)
	le.PutUint64(b[metaSum:], xxhash.Sum64(b[:metaSum]))
	return b
}

// ParseMeta decodes the file header at the start of b. The error matches
// ErrVersion when the header is intact but made by a newer version, otherwise
// ErrCorrupt.
func ParseMeta(b []byte) (Meta, error) {
	if len(b) < FileHeaderSize {
		return Meta{}, errMetaShort
	}
	b = b[:FileHeaderSize]
	le := binary.LittleEndian
	if string(b[:8]) != metaMagic {
		return Meta{}, errMetaMagic
	}
	if le.Uint64(b[metaSum:]) != xxhash.Sum64(b[:metaSum]) {
		return Meta{}, errMetaSum
	}
	if v, flags := le.Uint16(b[8:]), le.Uint16(b[10:]); v != metaVersion || flags != 0 {
		return Meta{}, fmt.Errorf("%w: version %d, flags %#x", ErrVersion, v, flags)
	}
	m := peekMeta(b)
	if le.Uint32(b[12:]) != FileHeaderSize || !allZero(b[metaName+len(m.Name):metaSum]) {
		return Meta{}, errMetaFields
	}
	return m, nil
}

// peekMeta decodes a file header of FileHeaderSize bytes without any check.
func peekMeta(b []byte) Meta {
	le := binary.LittleEndian
	return Meta{
		Store:  [16]byte(b[16:32]),
		Topic:  le.Uint64(b[32:]),
		Number: le.Uint64(b[40:]),
		Base:   le.Uint64(b[48:]),
		Epoch:  le.Uint64(b[56:]),
		Name:   string(b[metaName : metaName+int(b[64])]),
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// FileName returns the base name of the file of a segment: topic id and number
// in hexadecimal, padded to 16 and 8 digits, and ".seg". Names of one topic
// sort by number as long as numbers have at most 8 digits.
func FileName(topic, number uint64) string {
	return fmt.Sprintf("%016x-%08x%s", topic, number, fileSuffix)
}

// ParseFileName is the inverse of FileName. ok is false for any name that
// FileName does not make.
func ParseFileName(name string) (topic, number uint64, ok bool) {
	stem, found := strings.CutSuffix(name, fileSuffix)
	if !found {
		return 0, 0, false
	}
	t, n, _ := strings.Cut(stem, "-")
	topic, errT := strconv.ParseUint(t, 16, 64)
	number, errN := strconv.ParseUint(n, 16, 64)
	if errT != nil || errN != nil || FileName(topic, number) != name {
		return 0, 0, false
	}
	return topic, number, true
}

// equalExceptEpoch reports whether m and o agree except for the epoch.
func (m Meta) equalExceptEpoch(o Meta) bool {
	m.Epoch = o.Epoch
	return m == o
}
