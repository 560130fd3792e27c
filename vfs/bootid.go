package vfs

// BootID returns a name for the time since the machine was last started. As long
// as it is the same, whatever was written to fsys, and not lost to a failed
// writeback, is still there, synced or not. It is "" if that is not known. A file
// system of another package may have a method of this name.
func BootID(fsys FS) string {
	if b, ok := fsys.(interface{ BootID() string }); ok {
		return b.BootID()
	}
	return ""
}

// BootID implements the function of this name.
func (osFS) BootID() string { return bootID() }

// BootID implements the function of this name: it is another one after each
// Crash.
func (m *Mem) BootID() string { return m.boot }

// BootID implements the function of this name.
func (f *Fault) BootID() string { return BootID(f.inner) }
