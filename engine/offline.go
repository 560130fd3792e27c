package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// readTopics reads the topics of the snapshot that st names, without anything
// behind it.
func readTopics(fsys vfs.FS, dir string, st *storeState) (*topics.Registry, error) {
	files := segment.NewFiles(fsys, dir+"/"+segmentDir, 1, 0)
	defer files.Close()
	reg := topics.NewRegistry(topics.Config{FS: fsys, Dir: dir + "/" + segmentDir, Store: st.ID, Files: files})
	if st.Checkpoint == 0 {
		return reg, nil
	}
	r, err := openSnapshot(fsys, dir, st)
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
		if err := restoreSection(reg, kind, payload, st.Position); err != nil {
			return nil, err
		}
	}
}

// restoreSection takes over one section of the snapshot at position pos.
func restoreSection(reg *topics.Registry, kind uint32, payload []byte, pos uint64) error {
	switch kind {
	case secRegistry:
		return reg.RestoreRegistry(payload)
	case secTopic:
		return reg.RestoreTopic(payload, pos)
	}
	return errs.Version.With(fmt.Sprintf("snapshot section of kind %d; use a newer pipeproc", kind))
}
