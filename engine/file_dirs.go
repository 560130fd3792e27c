package engine

import (
	"io"

	"github.com/pipeproc/pipeproc/vfs"
)

// locks are those on the data directory itself and on the file LOCK in it; nil: not held.
type locks struct{ dir, file io.Closer }

// close gives both up, LOCK first: the directory's owner is who may write there.
func (l *locks) close() error {
	var err error
	for _, p := range []*io.Closer{&l.file, &l.dir} {
		if *p != nil {
			if cerr := (*p).Close(); err == nil {
				err = cerr
			}
			*p = nil
		}
	}
	return err
}

// folders are the data directory, through which all files are reached, and the
// one in it that holds the segments. They are held open: whatever becomes of the
// directory's name or of the working directory, the node stays where it is, and a
// process that has no descriptor left can sync them all the same.
type folders struct{ top, segments vfs.Dir }

// openSegments opens the segment folder, unless that was done or it is missing.
func (d *folders) openSegments() (err error) {
	if d.segments == nil {
		d.segments, err = d.top.OpenDir(segmentDir)
	}
	return err
}

// close closes those that are open.
func (d *folders) close() {
	for _, p := range []*vfs.Dir{&d.top, &d.segments} {
		if *p != nil {
			_ = (*p).Close()
			*p = nil
		}
	}
}
