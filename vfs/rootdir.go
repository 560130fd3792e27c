//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// rootDir is a Dir over os.Root, for systems without the *at calls of unix. A Root
// follows symbolic links that stay inside of it, so each folder is opened as a Root
// of its own, and what was opened is compared with what has the name and must not be
// a link. Where two names (Rename, Link) are in different folders, these are only
// checked first: a link put there between the check and the operation is followed,
// within the directory.
type rootDir struct {
	r    *os.Root
	name string
	abs  string // the name as it was opened, from the root on; "" if that is not known
}

func openRootDir(name string) (*rootDir, error) {
	r, err := os.OpenRoot(name)
	if err != nil {
		return nil, notDir(name, err)
	}
	return &rootDir{r, name, absolute(name)}, nil
}

// notDir returns err, which came of opening name as a directory, or ENOTDIR if name
// exists and is something else.
func notDir(name string, err error) error {
	if fi, serr := os.Stat(name); serr == nil && !fi.IsDir() {
		return pathErr("open", name, syscall.ENOTDIR)
	}
	return err
}

func (d *rootDir) shown(name string) string { return within(d.name, name) }

// at runs op with the last element of name and a Root of the directory that holds it.
func (d *rootDir) at(name string, op func(r *os.Root, base string) error) error {
	name, err := local(name)
	if err != nil {
		return err
	}
	r := d.r
	for {
		folder, rest, more := strings.Cut(name, "/")
		if !more {
			err = op(r, name)
		} else {
			var next *os.Root
			if next, err = openRootFolder(r, folder); err == nil {
				defer next.Close()
				r, name = next, rest
				continue
			}
		}
		var pe *fs.PathError
		if errors.As(err, &pe) { // the whole name comes with what this returns
			err = pe.Err
		}
		return err
	}
}

// openRootFolder opens one folder, which must not be a link.
func openRootFolder(r *os.Root, base string) (*os.Root, error) {
	fi, err := lstat(r, base)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, syscall.ENOTDIR
	}
	next, err := r.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	got, err := next.Stat(".")
	if err == nil && !os.SameFile(fi, got) {
		err = errSymlink // put there a moment ago
	}
	if err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

// lstat describes one element, which must not be a link.
func lstat(r *os.Root, base string) (fs.FileInfo, error) {
	fi, err := r.Lstat(base)
	if err == nil && fi.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 { // junctions are irregular
		err = errSymlink
	}
	return fi, err
}

// openRegular opens a file that must be a regular one.
func (d *rootDir) openRegular(name string, how int) (f *os.File, err error) {
	err = d.at(name, func(r *os.Root, base string) error {
		fi, err := lstat(r, base)
		switch {
		case err == nil && fi.IsDir():
			return syscall.EISDIR
		case err == nil && how&os.O_EXCL != 0:
			return syscall.EEXIST
		case err == nil && !fi.Mode().IsRegular():
			return errNotRegular
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if f, err = r.OpenFile(base, how, fileMode); err != nil {
			return err
		}
		got, err := f.Stat()
		if err == nil {
			fi, err = lstat(r, base)
		}
		if err == nil && (!got.Mode().IsRegular() || !os.SameFile(fi, got)) {
			err = errNotRegular
		}
		if err != nil {
			f.Close()
		}
		return err
	})
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return f, nil
}

func (d *rootDir) Open(name string, flag Flag) (File, error) {
	how, err := openHow(flag)
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	f, err := d.openRegular(name, how)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (d *rootDir) OpenDir(name string) (Dir, error) {
	sub := &rootDir{name: d.shown(name), abs: d.abs}
	if d.abs != "" {
		sub.abs = within(d.abs, name)
	}
	err := d.at(name, func(r *os.Root, base string) (err error) {
		sub.r, err = openRootFolder(r, base)
		return err
	})
	if err != nil {
		return nil, pathErr("open", sub.name, err)
	}
	return sub, nil
}

func (d *rootDir) MkdirAll(name string) error {
	clean, err := local(name)
	for i := 1; err == nil && i <= len(clean); i++ {
		if i < len(clean) && clean[i] != '/' {
			continue
		}
		err = d.at(clean[:i], func(r *os.Root, base string) error {
			fi, err := lstat(r, base)
			if errors.Is(err, fs.ErrNotExist) {
				return r.Mkdir(base, dirMode)
			}
			if err == nil && !fi.IsDir() {
				err = syscall.ENOTDIR
			}
			return err
		})
		if errors.Is(err, fs.ErrExist) { // somebody else made it
			err = nil
		}
	}
	if err != nil {
		return pathErr("mkdir", d.shown(name), err)
	}
	return nil
}

func (d *rootDir) ReadDir(name string) ([]Info, error) {
	var infos []Info
	err := d.at(name, func(r *os.Root, base string) error {
		in, err := openRootFolder(r, base)
		if err != nil {
			return err
		}
		defer in.Close()
		f, err := in.Open(".")
		if err != nil {
			return err
		}
		defer f.Close()
		names, err := f.Readdirnames(-1)
		slices.Sort(names)
		infos = make([]Info, 0, len(names))
		for _, n := range names {
			fi, err := lstat(in, n)
			switch {
			case err == errSymlink:
				infos = append(infos, Info{Name: n, Symlink: true, Links: 1})
			case err == nil:
				infos = append(infos, osInfo(fi))
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return infos, nil
}

func (d *rootDir) Stat(name string) (info Info, err error) {
	err = d.at(name, func(r *os.Root, base string) error {
		fi, err := lstat(r, base)
		if err == nil {
			info = osInfo(fi)
			info.Name = base
		}
		return err
	})
	if err != nil {
		return Info{}, pathErr("stat", d.shown(name), err)
	}
	return info, nil
}

func (d *rootDir) Remove(name string) error {
	err := d.at(name, func(r *os.Root, base string) error {
		if base == "." {
			return syscall.EBUSY
		}
		if _, err := lstat(r, base); err != nil {
			return err
		}
		return r.Remove(base)
	})
	if err != nil {
		return pathErr("remove", d.shown(name), err)
	}
	return nil
}

// both checks two names, of which the first must exist, and runs op with them, from
// a Root that holds both.
func (d *rootDir) both(what, oldname, newname string, op func(r *os.Root, from, to string) error) error {
	var in *os.Root
	err := d.at(oldname, func(r *os.Root, base string) error {
		if base == "." {
			return syscall.EBUSY
		}
		_, err := lstat(r, base)
		return err
	})
	if err == nil {
		err = d.at(newname, func(r *os.Root, base string) error {
			if base == "." {
				return syscall.EBUSY
			}
			if _, err := lstat(r, base); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			from, err := local(oldname)
			if err == nil && path.Dir(from) == path.Dir(path.Clean(newname)) {
				in = r
				err = op(r, path.Base(from), base)
			}
			return err
		})
		if err == nil && in == nil {
			err = op(d.r, path.Clean(oldname), path.Clean(newname))
		}
	}
	if err != nil {
		var le *os.LinkError
		if errors.As(err, &le) {
			err = le.Err
		}
		return linkErr(what, d.shown(oldname), d.shown(newname), err)
	}
	return nil
}

func (d *rootDir) Rename(oldname, newname string) error {
	return d.both("rename", oldname, newname, (*os.Root).Rename)
}

func (d *rootDir) Link(oldname, newname string) error {
	return d.both("link", oldname, newname, (*os.Root).Link)
}

// LinkTo never links between two directories, as os.Root cannot.
func (d *rootDir) LinkTo(oldname string, to Dir, newname string) error {
	if to == Dir(d) {
		return d.Link(oldname, newname)
	}
	return linkErr("link", d.shown(oldname), newname, errors.ErrUnsupported)
}

func (d *rootDir) SyncDir(name string) error {
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	return sub.Sync()
}

func (d *rootDir) Sync() error {
	f, err := d.r.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

func (d *rootDir) Lock(name string) (io.Closer, error) {
	return lockFile(d.shown(name), func(how int) (*os.File, error) { return d.openRegular(name, how) })
}

func (d *rootDir) LockDir(name string) (io.Closer, error) {
	info, err := d.Stat(".")
	if err != nil {
		return nil, err
	}
	f, err := d.r.Open(".")
	if err != nil {
		return nil, err
	}
	return lockFolder(f, d.shown(name), info.ID, d, name)
}

func (d *rootDir) Named() (bool, error) {
	own, err := d.r.Stat(".")
	if err != nil {
		return false, err
	}
	return named(d.abs, func(fi fs.FileInfo) bool { return os.SameFile(fi, own) })
}

func (d *rootDir) Free(name string) (n int64, err error) {
	err = d.at(name, func(r *os.Root, base string) error {
		in, err := openRootFolder(r, base)
		if err != nil {
			return err
		}
		defer in.Close()
		f, err := in.Open(".")
		if err != nil {
			return err
		}
		defer f.Close()
		n, err = freeOn(f)
		return err
	})
	if err != nil {
		return 0, pathErr("statfs", d.shown(name), err)
	}
	return n, nil
}

func (d *rootDir) Close() error {
	if _, err := d.r.Lstat("."); err != nil && errors.Is(err, fs.ErrClosed) {
		return pathErr("close", d.name, fs.ErrClosed)
	}
	return d.r.Close()
}
