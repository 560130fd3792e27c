package segment

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// ErrCorrupt is the target of errors.Is for every error of this package that
// reports damage.
var ErrCorrupt = errs.ErrCorrupt

// CorruptError says where damage was found.
type CorruptError = errs.CorruptError

// ErrVersion reports an intact segment file whose version or flags this package
// does not know.
var ErrVersion error = errs.Version.With("segment file of a newer version; use a newer pipeproc")

// ErrNameTooLong reports a topic name that does not fit a file header.
var ErrNameTooLong = errors.New("segment: topic name longer than 255 bytes")

// damage is an error without coordinates. Its values are allocated once, so that
// refusing bytes costs nothing. Callers that know where the bytes came from wrap it
// in a CorruptError.
type damage string

func (d damage) Error() string        { return string(d) }
func (d damage) Is(target error) bool { return target == ErrCorrupt }

// Preallocated refusals, by the part of the format they belong to.
var (
	errHeadShort error = damage("block header cut short")
	errHeadSum   error = damage("block header checksum does not match")
	errHeadLimit error = damage("block header field out of range")
	errBlockEnd  error = damage("block reaches beyond the end of the data")
	errBodySum   error = damage("block body checksum does not match")
	errDataEnd   error = damage("file ends before the end of the data")

	errRawSize    error = damage("raw body differs in size from its header")
	errRecord     error = damage("record reaches beyond the end of its block")
	errVarint     error = damage("malformed uvarint")
	errTrailing   error = damage("bytes after the last record of a block")
	errHeaders    error = damage("malformed headers section")
	errZstd       error = damage("malformed zstd body")
	errZstdLength error = damage("zstd body differs in size from its header")

	errMetaShort  error = damage("file header cut short")
	errMetaMagic  error = damage("wrong magic in file header")
	errMetaSum    error = damage("file header checksum does not match")
	errMetaFields error = damage("file header field out of range")

	errFooterSize   error = damage("file too short for a footer")
	errFooterMagic  error = damage("wrong magic in trailer")
	errFooterSum    error = damage("footer checksum does not match")
	errFooterFields error = damage("footer field out of range")
	errFooterOrder  error = damage("footer entries out of order")
)
