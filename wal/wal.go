package wal

import (
	"errors"
	"math"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/vfs"
)

// Errors that this package's errors wrap.
var (
	// ErrCorrupt is wrapped by every report of damage; the error is a
	// *CorruptError.
	ErrCorrupt = errs.ErrCorrupt
	// ErrTooLarge means that a frame is larger than Config.MaxFrame. Nothing
	// was written.
	ErrTooLarge = errors.New("wal: frame too large")
	// ErrFailed means that a sync has failed, now or earlier. The log is
	// unusable; open a new one.
	ErrFailed = errors.New("wal: sync failed")
	// ErrRemoved means that a file to which frames were written was removed: what
	// was written is lost once the log is closed. The error also wraps ErrFailed.
	ErrRemoved = errors.New("wal: a file was removed")
	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("wal: closed")
	// ErrVersion means that a file was written by a newer version of this
	// package, or uses a feature that this one does not know.
	ErrVersion error = errs.Version.With("write-ahead log of a newer version; use a newer pipeproc")
)

// CorruptError says where damage was found.
type CorruptError = errs.CorruptError

// Defaults and limits, in bytes.
const (
	DefaultFileSize = 16 << 20
	DefaultMaxFrame = 1 << 30
	minFileSize     = 2 * headerSize
	minShort        = 64 << 10 // of ShortSize, unless it is set
	// maxFrame is the most that Config.MaxFrame can be: every length within a
	// frame fits in 32 bits, and a frame, which is read into memory as one, in the
	// address space. Of 32 bits, that is 512 MiB.
	maxFrame = min(math.MaxUint32-headerSize+1-frameAlign, math.MaxInt>>2+1)
)

// defaultSpares is the default of Config.Spares.
const defaultSpares = 2

// Part is a piece of a frame with a sum of its own. The log stores Sum as
// given; it must be the xxHash64 of Bytes, or Replay considers the frame
// damaged.
type Part struct {
	Bytes []byte
	Sum   uint64
}

// Frame is the unit of appending: opaque metadata and any number of parts. The
// log keeps no reference to its memory after Append has returned.
type Frame struct {
	Meta  []byte
	Parts []Part
}

// Tail says where the valid frames of a log end: at byte End of file Number.
// The zero value stands for a log without any file.
type Tail struct {
	Number uint64
	End    int64
	Sum    uint64 // of the header of the newest frame, in this file or an earlier one; 0 = unknown
}

// Mark is the start of a file: everything before Position lies in files with a
// lower number.
type Mark struct {
	Number   uint64 // file
	Position uint64 // of its first frame
}

// Config says how a log is written. FS and Dir are required.
type Config struct {
	FS    vfs.FS
	Dir   string   // directory of the files, and of nothing else
	Store [16]byte // id of the store that the log belongs to
	Epoch uint64   // different every time the log is opened for writing
	// Boot tells one running of the machine from another, 0 if they cannot be
	// told apart. Only under the same one is it believed later that frames which
	// were acknowledged and not synced must be there.
	Boot uint64

	// FileSize is the size of a file, 0 for DefaultFileSize, rounded up to a
	// multiple of 4096. A frame that does not fit gets a file of its own size.
	FileSize int64
	// ShortSize is the size of a file that must be created at once because
	// there is no spare, if the log is not mapped; 0 for a sixteenth of
	// FileSize, but at least 64 KiB. It is rounded up like FileSize, and
	// limited by it.
	ShortSize int64
	// MaxFrame is the size of the largest frame that Append takes, 0 for
	// DefaultMaxFrame, at most 4 GiB - 4 KiB, or 512 MiB in a process of 32 bits.
	MaxFrame int64
	// Mapped selects how frames are written: true stores small ones into mapped
	// memory, which costs no system call and suits logs that are rarely or
	// never synced, and uses pwrite for others; false uses pwrite for all, and
	// fdatasync. Where files cannot be mapped freely ([vfs.MapsFreely]) it is false,
	// and so it is if the first file cannot be mapped.
	Mapped bool
	// Fill says that a mapped log populates the pages of its files by writing
	// zeroes to them, fillStep at a time, instead of faulting them in one by
	// one. That costs less than half as much, but a sync writes up to fillStep
	// more bytes than needed. It suits logs that are hardly ever synced.
	Fill bool
	// Rewrite says that a sync of the log's files has failed since the machine
	// was started. The kernel may then consider lost pages clean, so Create
	// writes the content of the live files again before it syncs them.
	Rewrite bool
	// Spares is how many files are kept for reuse, 0 for 2, negative for none.
	Spares int
}

// mapsFreely is vfs.MapsFreely; tests change it.
var mapsFreely = vfs.MapsFreely

// withDefaults returns c with zero fields filled in.
func (c Config) withDefaults() (Config, error) {
	if c.FS == nil || c.Dir == "" {
		return c, errors.New("wal: no file system or directory")
	}
	if c.FileSize == 0 {
		c.FileSize = DefaultFileSize
	}
	if c.FileSize < minFileSize || c.FileSize > 1<<40 {
		return c, errors.New("wal: file size out of range")
	}
	c.FileSize = roundUp(c.FileSize, headerSize)
	if c.ShortSize == 0 {
		c.ShortSize = max(c.FileSize/16, minShort)
	}
	c.ShortSize = roundUp(min(max(c.ShortSize, minFileSize), c.FileSize), headerSize)
	if c.MaxFrame == 0 {
		c.MaxFrame = min(DefaultMaxFrame, maxFrame)
	}
	if c.MaxFrame < frameHead || c.MaxFrame > maxFrame {
		return c, errors.New("wal: largest frame out of range")
	}
	c.Mapped = c.Mapped && mapsFreely // spares are renamed
	switch {
	case c.Spares == 0:
		c.Spares = defaultSpares
	case c.Spares < 0:
		c.Spares = 0
	}
	return c, nil
}

// roundUp returns n rounded up to a multiple of unit, a power of two.
func roundUp(n, unit int64) int64 { return (n + unit - 1) &^ (unit - 1) }
