package engine

import "github.com/pipeproc/pipeproc/vfs"

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
