package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/pipeproc/pipeproc/vfs"
)

// Create creates the file of the segment m in dir, preallocated to size bytes, and
// writes its file header. It first removes a file of that name, which can only be
// left over from before a crash. It syncs neither file nor directory. On error it
// tries to remove the file.
func Create(fsys vfs.FS, dir string, m Meta, size int64) (f vfs.File, err error) {
	if len(m.Name) > maxName {
		return nil, ErrNameTooLong
	}
	name := path.Join(dir, m.FileName())
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("segment: remove leftover: %w", err)
	}
	f, err = fsys.Open(name, vfs.Write|vfs.Create|vfs.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("segment: create: %w", err)
	}
	err = f.Preallocate(max(size, FileHeaderSize))
	if err == nil {
		_, err = f.WriteAt(m.Encode(), 0)
	}
	if err != nil {
		_, _ = f.Close(), fsys.Remove(name) // what is left is removed by the next attempt
		return nil, fmt.Errorf("segment: create: %w", err)
	}
	return f, nil
}

// Seal writes the footer of the segment at place p after its blocks, at s.DataEnd,
// and truncates the file to its exact size. It syncs nothing. Until the caller has
// synced the file, a crash may leave it with all, part or nothing of the footer.
// The blocks before s.DataEnd are not touched, and Seal may be repeated.
func Seal(f vfs.File, entries []Entry, s Summary, p Place) error {
	b := AppendFooter(make([]byte, 0, len(entries)*EntrySize+TrailerSize), entries, s, p)
	if _, err := f.WriteAt(b, s.DataEnd); err != nil {
		return fmt.Errorf("segment: seal: %w", err)
	}
	if err := f.Truncate(s.DataEnd + int64(len(b))); err != nil {
		return fmt.Errorf("segment: seal: %w", err)
	}
	return nil
}
