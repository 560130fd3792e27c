package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// isOwn reports whether name is one of a store's files and folders in the data directory,
// and which. Whatever else is there is somebody else's.
func isOwn(name string) (own, folder bool) {
	switch name {
	case walDir, segmentDir, quarantineName:
		return true, true
	case storeName, storeName + ".tmp", lockName, suspectName, "snapshot-0", "snapshot-1":
		return true, false
	}
	return false, false
}

// nobodys reports whether an entry that is not of a store says nothing about what the
// directory is for: systems and tools leave such things in directories that are empty to
// their users.
func nobodys(i vfs.Info) bool {
	switch i.Name {
	case "lost+found", "System Volume Information", "$RECYCLE.BIN":
		return true
	}
	return strings.HasPrefix(i.Name, ".") || !i.Dir && !i.Regular && !i.Symlink // a socket, say
}

// survey is what a look at the names in a directory tells.
type survey struct {
	store   bool     // STORE is there
	proof   string   // a file that only a store has, besides STORE; "" if there is none
	foreign []string // what is not of a store
	links   []string // symbolic links under names of a store
	odd     []string // files where folders should be, and the other way round
	shared  []string // files that are written in place and have another name (a hard link)
	leveldb bool     // it looks like the data folder of the original
}

// look lists dir, and its folders as far as needed.
func look(dir vfs.Dir) (s survey, err error) {
	infos, err := dir.ReadDir(".")
	if err != nil {
		return s, err
	}
	current, manifest := false, false
	for _, i := range infos {
		own, folder := isOwn(i.Name)
		if own && !i.Symlink && (folder != i.Dir || folder == i.Regular) {
			s.odd = append(s.odd, i.Name)
		}
		switch {
		case own && i.Symlink:
			s.links = append(s.links, i.Name)
		case own && i.Dir == folder:
			if shared(i) {
				s.shared = append(s.shared, i.Name)
			}
			s.store = s.store || i.Name == storeName
			if strings.HasPrefix(i.Name, "snapshot-") {
				s.proof = i.Name
			}
		case !nobodys(i):
			s.foreign = append(s.foreign, i.Name)
		}
		current = current || i.Name == "CURRENT"
		manifest = manifest || strings.HasPrefix(i.Name, "MANIFEST-")
	}
	s.leveldb = current && manifest
	if err := s.folder(dir, walDir, wal.IsFileName); err != nil {
		return s, err
	}
	if s.store {
		return s, nil // a link among the segments is damage of a topic
	}
	return s, s.folder(dir, segmentDir, func(name string) bool { _, _, ok := segment.ParseFileName(name); return ok })
}

// folder lists one folder, in which ours says which names are of a store.
func (s *survey) folder(dir vfs.Dir, name string, ours func(string) bool) error {
	infos, err := dir.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	for _, i := range infos {
		switch {
		case !ours(i.Name):
			if !nobodys(i) {
				s.foreign = append(s.foreign, name+"/"+i.Name)
			}
		case i.Symlink && name == walDir:
			s.links = append(s.links, name+"/"+i.Name)
		case shared(i) && name == walDir:
			s.shared = append(s.shared, name+"/"+i.Name)
			s.proof = i.Name
		case name != walDir || i.Size > 0: // the log's files may be made before STORE
			s.proof = i.Name
		}
	}
	return err
}

// checkDir refuses a directory that is something else than a store, and one in which a
// link stands in place of a file or folder. It writes nothing. Without STORE there may be
// a store to repair, or one that is to be created.
func (e *Engine) checkDir() error {
	s, err := look(e.dirs.top)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	if len(s.links) > 0 {
		return fmt.Errorf("%s/%s is a symbolic link, and a store follows none: put the file or folder itself there (the data directory may be a link): %w",
			e.cfg.Dir, s.links[0], syscall.ELOOP)
	}
	for _, name := range s.shared {
		if !e.cfg.ReadOnly || name == lockName { // which is written for people to read
			return e.sharedFile(name)
		}
	}
	for _, name := range s.odd {
		if err := oddKind(name); err != nil && (s.store || s.proof != "") {
			return err
		}
	}
	mayCreate := !e.cfg.ReadOnly && !e.cfg.MustExist
	switch {
	case s.store && (len(s.foreign) == 0 || s.proof != "" || hasStoreMagic(e.fs)), s.proof != "":
		return nil
	case len(s.foreign) > 0 && !mutate.SkipForeign:
		return s.refuse(e.cfg.Dir, mayCreate)
	case !mayCreate && !s.store:
		return noStore(e.cfg.Dir, nil) // nothing is written there, not even a lock
	}
	return nil
}

// oddKind is the error for a name of a store that is of another kind of file than the
// store needs to open, nil if it does not need it.
func oddKind(name string) error {
	c := &errs.CorruptError{File: name, Offset: -1}
	switch name {
	case lockName:
		c.What = "it is not a regular file; move it away"
	case storeName:
		c.What = "it is not a regular file; move it away and run 'pipeproc repair'"
	case walDir, segmentDir:
		c.What = "it is not a directory; move it away and run 'pipeproc repair'"
	default:
		return nil
	}
	return c
}

// shared reports whether a file has another name (a hard link).
func shared(i vfs.Info) bool { return i.Regular && i.Links > 1 && !mutate.AllowLinks }

// sharedFile is the error for a file with another name, which would change with it: that
// of a copy of the store, for instance, made of hard links.
func (e *Engine) sharedFile(name string) error {
	return fmt.Errorf("%s/%s has another name (a hard link), and what is written to one changes the other: copy it, do not hard-link it: %w",
		e.cfg.Dir, name, syscall.EMLINK)
}

// refuse is the error for a directory that is something else.
func (s *survey) refuse(dir string, mayCreate bool) error {
	names := strings.Join(s.foreign[:min(3, len(s.foreign))], ", ")
	if n := len(s.foreign) - 3; n > 0 {
		names += fmt.Sprintf(" and %d more", n)
	}
	text := fmt.Sprintf("the directory %s has files that are not of a pipeproc store: %s", dir, names)
	if s.leveldb {
		text += "; it looks like a LevelDB database, as the original PipeProc for Node.js keeps its data in, which cannot be opened"
	}
	if mayCreate {
		return errs.NotStore.With(text + "; use an empty directory")
	}
	return errs.NotStore.Wrap(errNotExist, text)
}

// hasStoreMagic reports whether a copy of the store page begins as one.
func hasStoreMagic(fsys vfs.FS) bool {
	f, err := fsys.Open(storeName, vfs.Read)
	if err != nil {
		return true // the error will be met again
	}
	defer f.Close()
	for i := range int64(2) {
		b := make([]byte, len(storeMagic))
		if n, _ := f.ReadAt(b, i*storePage); string(b[:n]) == storeMagic {
			return true
		}
	}
	return false
}
