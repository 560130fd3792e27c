//go:build unix && !aix && !solaris

package vfs

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// osDir is a Dir of the operating system. Every name is looked up from its
// descriptor on, one element at a time, and no element may be a symbolic link.
type osDir struct {
	f    *os.File
	conn syscall.RawConn
	abs  string // the name as it was opened, from the root on; "" if that is not known
}

// newOSDir takes f over.
func newOSDir(f *os.File, abs string) (*osDir, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &osDir{f: f, conn: conn, abs: abs}, nil
}

const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// shown is the name of an entry, for people.
func (d *osDir) shown(name string) string { return within(d.f.Name(), name) }

// at runs op with the last element of name and a descriptor of the directory that
// holds it. Both descriptors stay open meanwhile.
func (d *osDir) at(name string, op func(fd int, base string) error) error {
	name, err := local(name)
	if err != nil {
		return err
	}
	if cerr := d.conn.Control(func(fd uintptr) { err = walk(int(fd), name, op) }); cerr != nil {
		return os.ErrClosed
	}
	return err
}

// walk is at from the directory fd on, for a clean name.
func walk(fd int, name string, op func(fd int, base string) error) error {
	own := -1 // a descriptor to be closed
	for {
		folder, rest, more := strings.Cut(name, "/")
		if !more {
			err := op(fd, name)
			closeFD(own)
			return err
		}
		next, err := openFolder(fd, folder)
		closeFD(own)
		if err != nil {
			return err
		}
		fd, own, name = next, next, rest
	}
}

func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// openat is openat(2) of one element, which must not be a symbolic link.
func openat(fd int, base string, how int) (got int, err error) {
	err = retry(func() (err error) {
		got, err = unix.Openat(fd, base, how, fileMode)
		return err
	})
	if err != nil && err != unix.ENOENT && err != unix.EEXIST {
		// The error number for a refused link differs from system to system.
		if _, serr := statAt(fd, base); serr == errSymlink {
			err = errSymlink
		}
	}
	return got, err
}

func openFolder(fd int, base string) (int, error) { return openat(fd, base, folderFlags) }

// statAt describes one element, which must not be a symbolic link.
func statAt(fd int, base string) (st unix.Stat_t, err error) {
	err = retry(func() error { return unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err == nil && kindOf(&st) == unix.S_IFLNK {
		err = errSymlink
	}
	return st, err
}

func kindOf(st *unix.Stat_t) uint32 { return uint32(st.Mode) & unix.S_IFMT }

func statInfo(name string, st *unix.Stat_t) Info {
	kind := kindOf(st)
	return Info{
		Name:      name,
		Size:      int64(st.Size),
		Allocated: int64(st.Blocks) * 512, // st_blocks is in units of 512 bytes, whatever the block size
		Dir:       kind == unix.S_IFDIR,
		Regular:   kind == unix.S_IFREG,
		Symlink:   kind == unix.S_IFLNK,
		Links:     uint64(st.Nlink),
		ID:        ID{uint64(st.Dev), uint64(st.Ino)},
	}
}

// openRegular opens a file that must be a regular one; see the function openRegular.
func (d *osDir) openRegular(name string, how int) (*os.File, error) {
	var f *os.File
	err := d.at(name, func(dir int, base string) error {
		fd, err := openat(dir, base, how|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = retry(func() error { return unix.Fstat(fd, &st) })
		if err == nil {
			switch kindOf(&st) {
			case unix.S_IFREG:
			case unix.S_IFDIR:
				err = syscall.EISDIR
			default:
				err = errNotRegular
			}
		}
		if err == nil {
			// Without this os.NewFile would try to poll the file.
			_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
		}
		if err != nil {
			closeFD(fd)
			return err
		}
		f = os.NewFile(uintptr(fd), d.shown(name))
		return nil
	})
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return f, nil
}

func (d *osDir) Open(name string, flag Flag) (File, error) {
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

// openFolder opens a directory, "." included.
func (d *osDir) openFolder(name string) (*os.File, error) {
	var f *os.File
	err := d.at(name, func(dir int, base string) error {
		fd, err := openFolder(dir, base)
		if err == nil {
			f = os.NewFile(uintptr(fd), d.shown(name))
		}
		return err
	})
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return f, nil
}

func (d *osDir) OpenDir(name string) (Dir, error) {
	f, err := d.openFolder(name)
	if err != nil {
		return nil, err
	}
	abs := d.abs
	if abs != "" {
		abs = within(abs, name)
	}
	return newOSDir(f, abs)
}

func (d *osDir) MkdirAll(name string) error {
	err := d.at(name, func(fd int, base string) error { return makeFolder(fd, base) })
	if errors.Is(err, syscall.ENOENT) {
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			if err := d.MkdirAll(name[:i]); err != nil {
				return err
			}
			err = d.at(name, makeFolder)
		}
	}
	if err != nil {
		return pathErr("mkdir", d.shown(name), err)
	}
	return nil
}

// makeFolder makes a directory unless it exists.
func makeFolder(fd int, base string) error {
	err := retry(func() error { return unix.Mkdirat(fd, base, dirMode) })
	if err != unix.EEXIST {
		return err
	}
	st, err := statAt(fd, base)
	if err == nil && kindOf(&st) != unix.S_IFDIR {
		err = syscall.ENOTDIR
	}
	return err
}

func (d *osDir) ReadDir(name string) ([]Info, error) {
	f, err := d.openFolder(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	infos := make([]Info, 0, len(names))
	in, err := newOSDir(f, "")
	if err != nil {
		return nil, err
	}
	cerr := in.conn.Control(func(fd uintptr) {
		for _, base := range names {
			st, serr := statAt(int(fd), base)
			switch {
			case serr == nil || serr == errSymlink:
				infos = append(infos, statInfo(base, &st))
			case errors.Is(serr, os.ErrNotExist):
			default:
				err = pathErr("stat", within(f.Name(), base), serr)
				return
			}
		}
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return infos, nil
}

func (d *osDir) Stat(name string) (Info, error) {
	var info Info
	err := d.at(name, func(fd int, base string) error {
		st, err := statAt(fd, base)
		info = statInfo(base, &st)
		return err
	})
	if err != nil {
		return Info{}, pathErr("stat", d.shown(name), err)
	}
	return info, nil
}

// entry is statAt of something that is to get, or lose, a name.
func entry(fd int, base string) (unix.Stat_t, error) {
	if base == "." {
		return unix.Stat_t{}, syscall.EBUSY
	}
	return statAt(fd, base)
}

func (d *osDir) Remove(name string) error {
	err := d.at(name, func(fd int, base string) error {
		st, err := entry(fd, base)
		if err != nil {
			return err
		}
		flags := 0
		if kindOf(&st) == unix.S_IFDIR {
			flags = unix.AT_REMOVEDIR
		}
		return retry(func() error { return unix.Unlinkat(fd, base, flags) })
	})
	if err != nil {
		return pathErr("remove", d.shown(name), err)
	}
	return nil
}

// both runs op with the places of two names, of which the first must exist, and
// neither may be a symbolic link.
func (d *osDir) both(oldname string, to *osDir, newname string, op func(fd int, base string, tofd int, tobase string) error) error {
	return d.at(oldname, func(fd int, base string) error {
		if _, err := entry(fd, base); err != nil {
			return err
		}
		return to.at(newname, func(tofd int, tobase string) error {
			if _, err := entry(tofd, tobase); err != nil && err != unix.ENOENT {
				return err
			}
			return retry(func() error { return op(fd, base, tofd, tobase) })
		})
	})
}

func (d *osDir) Rename(oldname, newname string) error {
	err := d.both(oldname, d, newname, unix.Renameat)
	if err != nil {
		return linkErr("rename", d.shown(oldname), d.shown(newname), err)
	}
	return nil
}

func (d *osDir) Link(oldname, newname string) error { return d.LinkTo(oldname, d, newname) }

func (d *osDir) LinkTo(oldname string, to Dir, newname string) error {
	other, ok := to.(*osDir)
	if !ok {
		return linkErr("link", d.shown(oldname), newname, errors.ErrUnsupported)
	}
	err := d.both(oldname, other, newname, func(fd int, base string, tofd int, tobase string) error {
		return unix.Linkat(fd, base, tofd, tobase, 0)
	})
	if err != nil {
		return linkErr("link", d.shown(oldname), other.shown(newname), err)
	}
	return nil
}

func (d *osDir) SyncDir(name string) error {
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	return sub.Sync()
}

func (d *osDir) Sync() error { return syncFolder(d.f) }

func (d *osDir) Lock(name string) (io.Closer, error) {
	return lockFile(d.shown(name), func(how int) (*os.File, error) { return d.openRegular(name, how) })
}

func (d *osDir) LockDir(name string) (io.Closer, error) {
	f, err := d.openFolder(".") // a lock belongs to a descriptor
	if err != nil {
		return nil, err
	}
	info, err := d.Stat(".")
	if err != nil {
		f.Close()
		return nil, err
	}
	return lockFolder(f, d.shown(name), info.ID, d, name)
}

func (d *osDir) Named() (bool, error) {
	info, err := d.Stat(".")
	if err != nil {
		return false, err
	}
	return named(d.abs, func(fi os.FileInfo) bool { return osInfo(fi).ID == info.ID })
}

func (d *osDir) Free(name string) (int64, error) {
	var n int64
	err := d.at(name, func(fd int, base string) error {
		folder, err := openFolder(fd, base)
		if err != nil {
			return err
		}
		defer closeFD(folder)
		n, err = freeBytes(folder)
		return err
	})
	if err != nil {
		return 0, pathErr("statfs", d.shown(name), err)
	}
	return n, nil
}

func (d *osDir) Close() error { return d.f.Close() }
