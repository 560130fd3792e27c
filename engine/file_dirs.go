package engine

import "github.com/pipeproc/pipeproc/vfs"

// folders are the directories whose entries a checkpoint makes durable. They are
// held open while the node may write: a process that has no descriptor left can
// then sync them all the same, so that a sync that fails has been tried.
type folders struct{ top, segments vfs.Dir }

func (d *folders) open(fsys vfs.FS, dir string) (err error) {
	if d.top, err = fsys.OpenDir(dir); err != nil {
		return err
	}
	d.segments, err = fsys.OpenDir(dir + "/" + segmentDir)
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
