//go:build linux

package powercut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is the file of one disk. Without a cache of its own: what the loop device writes
// and syncs comes here, in that order.
type node struct {
	fs.Inode
	d disk
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(n.d.size())
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(n.d.size())
	return 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	b = b[:max(min(int64(len(b)), n.d.size()-off), 0)]
	n.d.readAt(b, off)
	return fuse.ReadResultData(b), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(b)) > n.d.size() {
		return 0, syscall.ENOSPC
	}
	n.d.writeAt(b, off)
	return uint32(len(b)), 0
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.d.flush()
	return 0
}

// shelf is the FUSE file system, and where its disks are mounted.
type shelf struct {
	t     testing.TB
	dir   string
	root  *fs.Inode
	count int
}

// need skips the test because of err, or fails it in CI, where everything must be there.
func need(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("PIPEPROC_CI") != "" {
		t.Fatalf("CI must have %s: %v", what, err)
	}
	t.Skipf("SKIPPED: it needs %s: %v", what, err)
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir()}
	root := &fs.Inode{}
	mount := filepath.Join(s.dir, "disks")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	o := &fs.Options{}
	o.DirectMountStrict, o.FsName, o.MaxWrite = true, "powercut", 1<<20
	server, err := fs.Mount(mount, root, o)
	need(t, "FUSE (root)", err)
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmounting the disks: %v", err)
		}
	})
	s.root = root
	return s
}

// add puts a disk on the shelf and returns the name of its file.
func (s *shelf) add(d disk) string {
	s.count++
	name := fmt.Sprintf("disk-%d", s.count)
	child := s.root.NewPersistentInode(s.t.Context(), &node{d: d}, fs.StableAttr{Mode: syscall.S_IFREG})
	s.root.AddChild(name, child, true)
	return filepath.Join(s.dir, "disks", name)
}

// remove takes a disk off the shelf.
func (s *shelf) remove(file string) { s.root.RmChild(filepath.Base(file)) }

func command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// volume is a mounted disk.
type volume struct {
	loop, dir string
	mounted   bool
}

// attach makes a loop device of a disk's file.
func (s *shelf) attach(file string) (*volume, error) {
	loop, err := command("losetup", "--find", "--show", file)
	if err != nil {
		return nil, err
	}
	v := &volume{loop: loop, dir: filepath.Join(s.dir, "mounted-"+filepath.Base(file))}
	return v, os.Mkdir(v.dir, 0o700)
}

func (v *volume) mount(kind kind) error {
	_, err := command("mount", "-t", kind.fs, "-o", kind.options, v.loop, v.dir)
	v.mounted = err == nil
	return err
}

// release takes everything down again.
func (v *volume) release() error {
	var err error
	if v.mounted {
		if _, err = command("umount", v.dir); err != nil {
			_, _ = command("umount", "-l", v.dir)
		}
	}
	_, lerr := command("losetup", "-d", v.loop)
	return errors.Join(err, lerr, os.Remove(v.dir))
}

// kind is a file system and how it is made and mounted.
type kind struct {
	name, fs, options string
	size              int64
	mkfs              []string
}

var kinds = []kind{
	{"ext4-ordered", "ext4", "data=ordered,nodiscard", 64 << 20, []string{"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"}},
	{"ext4-writeback", "ext4", "data=writeback,nodiscard", 64 << 20, []string{"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"}},
	{"xfs", "xfs", "nodiscard", 320 << 20, []string{"mkfs.xfs", "-q", "-f", "-K"}},
	{"btrfs", "btrfs", "nodiscard", 160 << 20, []string{"mkfs.btrfs", "-q", "-f", "-K"}},
}

// record makes a file system on a new disk that is recorded, and mounts it.
func (s *shelf) record(k kind) (*recorder, *volume) {
	s.t.Helper()
	r := newRecorder(k.size, nil)
	v, err := s.attach(s.add(r))
	need(s.t, "a loop device (root)", err)
	_, err = command(append(k.mkfs, v.loop)...)
	need(s.t, k.mkfs[0], err)
	err = v.mount(k)
	need(s.t, "a mount of "+k.fs, err)
	return r, v
}
