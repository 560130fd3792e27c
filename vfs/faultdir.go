package vfs

import "io"

// faultFS is the file system of a Fault, or of one of its directories.
type faultFS struct {
	inner FS
	dir   string // the directory's name; "" for the whole
	fault *Fault
}

// shown is the name that the hook is told.
func (f *faultFS) shown(name string) string {
	if f.dir == "" {
		return name
	}
	return within(f.dir, name)
}

// ask asks the hook about an operation on one name.
func (f *faultFS) ask(kind OpKind, name string) error {
	return f.fault.check(Op{Kind: kind, Name: f.shown(name)})
}

// Open implements FS.
func (f *faultFS) Open(name string, flag Flag) (File, error) {
	kind := OpOpen
	if flag&Create != 0 {
		kind = OpCreate
	}
	if err := f.ask(kind, name); err != nil {
		return nil, err
	}
	file, err := f.inner.Open(name, flag)
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fault: f.fault}, nil
}

// MkdirAll implements FS.
func (f *faultFS) MkdirAll(name string) error {
	if err := f.ask(OpMkdir, name); err != nil {
		return err
	}
	return f.inner.MkdirAll(name)
}

// ReadDir implements FS.
func (f *faultFS) ReadDir(name string) ([]Info, error) {
	if err := f.ask(OpReadDir, name); err != nil {
		return nil, err
	}
	return f.inner.ReadDir(name)
}

// Stat implements FS.
func (f *faultFS) Stat(name string) (Info, error) {
	if err := f.ask(OpStat, name); err != nil {
		return Info{}, err
	}
	return f.inner.Stat(name)
}

// Remove implements FS.
func (f *faultFS) Remove(name string) error {
	if err := f.ask(OpRemove, name); err != nil {
		return err
	}
	return f.inner.Remove(name)
}

// Rename implements FS.
func (f *faultFS) Rename(oldname, newname string) error {
	if err := f.fault.check(Op{Kind: OpRename, Name: f.shown(oldname), To: f.shown(newname)}); err != nil {
		return err
	}
	return f.inner.Rename(oldname, newname)
}

// Link implements FS.
func (f *faultFS) Link(oldname, newname string) error {
	if err := f.fault.check(Op{Kind: OpLink, Name: f.shown(oldname), To: f.shown(newname)}); err != nil {
		return err
	}
	return f.inner.Link(oldname, newname)
}

// SyncDir implements FS. It is three operations, as it is three system calls.
func (f *faultFS) SyncDir(name string) error {
	d, err := f.OpenDir(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	return first(err, d.Close())
}

// OpenDir implements FS.
func (f *faultFS) OpenDir(name string) (Dir, error) {
	if err := f.ask(OpOpenDir, name); err != nil {
		return nil, err
	}
	d, err := f.inner.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &faultDir{faultFS{inner: d, dir: f.shown(name), fault: f.fault}, d}, nil
}

// Free implements FS.
func (f *faultFS) Free(name string) (int64, error) {
	if err := f.ask(OpFree, name); err != nil {
		return 0, err
	}
	return f.inner.Free(name)
}

// Lock implements FS.
func (f *faultFS) Lock(name string) (io.Closer, error) {
	if err := f.ask(OpLock, name); err != nil {
		return nil, err
	}
	lock, err := f.inner.Lock(name)
	if err != nil {
		return nil, err
	}
	return &faultLock{lock: lock, name: f.shown(name), fault: f.fault}, nil
}

// faultDir is a directory of a Fault.
type faultDir struct {
	faultFS
	open Dir // the inner one
}

func (d *faultDir) Sync() error {
	if err := d.ask(OpSyncDir, "."); err != nil {
		return err
	}
	return d.open.Sync()
}

func (d *faultDir) Stat(name string) (Info, error) {
	if name == "." {
		return d.open.Stat(name)
	}
	return d.faultFS.Stat(name)
}

func (d *faultDir) LockDir(name string) (io.Closer, error) {
	if err := d.ask(OpLock, "."); err != nil {
		return nil, err
	}
	lock, err := d.open.LockDir(name)
	if err != nil {
		return nil, err
	}
	return &faultLock{lock: lock, name: d.dir, fault: d.fault}, nil
}

func (d *faultDir) Named() (bool, error) {
	if err := d.ask(OpStat, "."); err != nil {
		return false, err
	}
	return d.open.Named()
}

func (d *faultDir) LinkTo(oldname string, to Dir, newname string) error {
	op := Op{Kind: OpLink, Name: d.shown(oldname), To: newname}
	if other, ok := to.(*faultDir); ok {
		op.To, to = other.shown(newname), other.open
	}
	if err := d.fault.check(op); err != nil {
		return err
	}
	return d.open.LinkTo(oldname, to, newname)
}

func (d *faultDir) Close() error {
	err := d.ask(OpClose, ".")
	return first(err, d.open.Close())
}
