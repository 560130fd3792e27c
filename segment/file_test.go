package segment_test

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

func TestCreateAndSeal(t *testing.T) {
	for name, fsys := range map[string]vfs.FS{"mem": vfs.NewMem(), "os": vfs.OS()} {
		t.Run(name, func(t *testing.T) {
			dir := "topics"
			if name == "os" {
				dir = t.TempDir()
			}
			if err := fsys.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			b := threeBlocks(testMeta())
			for range 2 { // the second one finds a leftover
				f, err := segment.Create(fsys, dir, b.m, 1<<16)
				if err != nil {
					t.Fatal(err)
				}
				if size, _ := f.Size(); size != 1<<16 {
					t.Errorf("size %d", size)
				}
				if _, found := check(t, f, b.m, segment.FileHeaderSize, false); found != nil {
					t.Errorf("new: %v", found)
				}
				if _, err := f.WriteAt(b.data[512:b.sum.DataEnd], 512); err != nil {
					t.Fatal(err)
				}
				for range 2 { // sealing may be repeated
					if err := segment.Seal(f, b.entries, b.sum, b.m.Place()); err != nil {
						t.Fatal(err)
					}
				}
				if size, _ := f.Size(); size != int64(len(b.data)) {
					t.Errorf("sealed: size %d", size)
				}
				if sum, found := check(t, f, b.m, 0, true); sum != b.sum || found != nil {
					t.Errorf("sealed: %+v, %v", sum, found)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCreateFails(t *testing.T) {
	mem := vfs.NewMem()
	m := testMeta()
	for _, kind := range []vfs.OpKind{vfs.OpRemove, vfs.OpCreate, vfs.OpPreallocate, vfs.OpWriteAt} {
		fault := vfs.NewFault(mem, vfs.FailKind(kind, ".seg", syscall.ENOSPC))
		if _, err := segment.Create(fault, "", m, 4096); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := mem.Stat(m.FileName()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: file left behind: %v", kind, err)
		}
	}
	m.Name = strings.Repeat("x", 256)
	if _, err := segment.Create(mem, "", m, 4096); !errors.Is(err, segment.ErrNameTooLong) {
		t.Errorf("long name: %v", err)
	}
}

func TestSealFails(t *testing.T) {
	b := threeBlocks(testMeta())
	for _, kind := range []vfs.OpKind{vfs.OpTruncate, vfs.OpWriteAt} {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		f, err := segment.Create(fault, "", b.m, 4096)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt(b.data[512:b.sum.DataEnd], 512)
		fault.SetHook(vfs.FailKind(kind, ".seg", syscall.EIO))
		if err := segment.Seal(f, b.entries, b.sum, b.m.Place()); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", kind, err)
		}
		fault.SetHook(nil)
		if sum, found := check(t, f, b.m, b.sum.DataEnd, false); sum != b.sum || found != nil {
			t.Errorf("%s: blocks touched: %v", kind, found)
		}
		f.Close()
	}
}

// writeFile puts the builder's file into dir.
func (b *builder) writeFile(t testing.TB, fsys vfs.FS, dir string) {
	t.Helper()
	f, err := fsys.Open(path.Join(dir, b.m.FileName()), vfs.Write|vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b.data, 0); err != nil {
		t.Fatal(err)
	}
}
