package engine

import (
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// readTopics reads the topics of the snapshot that st names, without anything
// behind it.
func readTopics(fsys vfs.FS, st *storeState) (*topics.Registry, error) {
	files := segment.NewFiles(fsys, segmentDir, 1, 0)
	defer files.Close()
	m := newMachines(topics.Config{FS: fsys, Dir: segmentDir, Store: st.ID, Files: files})
	reg := m.reg
	if st.Checkpoint == 0 {
		return reg, nil
	}
	r, err := openSnapshot(fsys, st)
	if err != nil {
		return nil, err
	}
	defer r.close()
	for {
		kind, payload, _, err := r.next()
		if err != nil {
			return nil, err
		}
		if kind == 0 {
			reg.Publish(st.Position)
			return reg, nil
		}
		if err := m.restoreSection(kind, payload, st.Position); err != nil {
			return nil, err
		}
	}
}
