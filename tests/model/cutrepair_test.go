package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// invert inverts a byte of a file in the store.
func invert(t *testing.T, fsys vfs.FS, name string, off int) {
	t.Helper()
	edit(t, fsys, name, func(b []byte) error {
		b[off] ^= 0xff
		return nil
	})
}

// nameOf returns the n-th file of a folder of the store.
func nameOf(t *testing.T, fsys vfs.FS, folder string, n int) string {
	t.Helper()
	list, err := fsys.ReadDir(dir + "/" + folder)
	if err != nil || len(list) <= n {
		t.Fatalf("%d files in %s, %v", len(list), folder, err)
	}
	return folder + "/" + list[n].Name
}

// hurtHeads damages STORE and both snapshots.
func hurtHeads(t *testing.T, disk *vfs.Crash) {
	invert(t, disk, "STORE", 50)
	invert(t, disk, "STORE", 4096+50)
	for _, i := range []string{"snapshot-0", "snapshot-1"} {
		invert(t, disk, i, 20)
	}
}

// TestMutantRepairFirst kills such a repair now and then: the next one keeps as much as
// one that was not cut off, and what opens has it.
func TestMutantRepairFirst(t *testing.T) {
	disk := cutStore(t).disk.Crash(func(vfs.Unit) bool { return true })
	hurtHeads(t, disk)
	fix := func(fsys vfs.FS) error {
		_, err := pipeproc.Repair(bg, dir, &pipeproc.RepairOptions{FS: fsys})
		return err
	}
	whole := disk.Kill()
	if err := fix(whole); err != nil {
		t.Fatal(err)
	}
	want, err := read(whole, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	m := &midway{t: t}
	fault := vfs.NewFault(disk, m.watch(disk))
	if err := fix(fault); err != nil {
		t.Fatal(err)
	}
	for i, img := range m.kept {
		if i%8 != 0 && !*flagFull {
			continue
		}
		if n, err := pipeproc.Open(dir, &pipeproc.Options{FS: img}); err == nil { // or it is damaged still
			_ = n.Close()
		}
		if err := fix(img); err != nil {
			t.Fatalf("killed at point %d of %d: %v", i, len(m.kept), err)
		}
		got, err := read(img, dir, true)
		if err == nil {
			err = got.lacks(want)
		}
		if err != nil {
			t.Errorf("killed at point %d of %d: %v", i, len(m.kept), err)
		}
	}
}

// TestCutOffRepair interrupts repairs of each kind of damage. The repair can then be
// made again, and ends as one that was not interrupted.
func TestCutOffRepair(t *testing.T) {
	for name, hurt := range map[string]func(t *testing.T, disk *vfs.Crash){
		"segment": func(t *testing.T, disk *vfs.Crash) { invert(t, disk, nameOf(t, disk, "segments", 0), 30<<10) },
		"two segments": func(t *testing.T, disk *vfs.Crash) {
			invert(t, disk, nameOf(t, disk, "segments", 0), 30<<10)
			invert(t, disk, nameOf(t, disk, "segments", 1), 100)
		},
		"segment gone": func(t *testing.T, disk *vfs.Crash) {
			if err := disk.Remove(dir + "/" + nameOf(t, disk, "segments", 1)); err != nil {
				t.Fatal(err)
			}
		},
		"snapshot": func(t *testing.T, disk *vfs.Crash) {
			// The keeper may have taken a checkpoint of its own: STORE says which counts.
			var number, length uint64
			edit(t, disk, "STORE", func(b []byte) error {
				number, length = binary.LittleEndian.Uint64(b[56:]), binary.LittleEndian.Uint64(b[88:])
				return nil
			})
			invert(t, disk, fmt.Sprintf("snapshot-%d", number&1), int(length/2))
		},
		"STORE": func(t *testing.T, disk *vfs.Crash) {
			invert(t, disk, "STORE", 50)
			invert(t, disk, "STORE", 4096+50)
		},
		"STORE and snapshots": hurtHeads,
		"log": func(t *testing.T, disk *vfs.Crash) {
			infos, err := disk.ReadDir(dir + "/wal")
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range infos { // those that hold frames
				edit(t, disk, "wal/"+i.Name, func(b []byte) error {
					if at := bytes.Index(b, []byte("IIIIIIII")); at > 0 {
						b[at] ^= 0xff
					}
					return nil
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := cutStore(t)
			all := b.committed()
			disk := b.disk.Crash(func(vfs.Unit) bool { return true })
			hurt(t, disk)
			disk = disk.Crash(func(vfs.Unit) bool { return true })
			fix := func(fsys vfs.FS) (*pipeproc.RepairReport, error) {
				return pipeproc.Repair(bg, dir, &pipeproc.RepairOptions{FS: fsys})
			}
			// Without a cut.
			whole := disk.Kill()
			rep, err := fix(whole)
			if err != nil || !rep.Changed {
				t.Fatalf("%+v, %v", rep, err)
			}
			want, err := read(whole, dir, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := use(whole.Kill(), dir); err != nil {
				t.Fatalf("of use after the repair: %v", err)
			}
			kept := 0
			for topic, recs := range want {
				for seq, body := range recs {
					if all[topic][seq] != body && !strings.HasPrefix(topic, "recovered-") { // its name is lost
						t.Fatalf("topic %s: record %d is wrong", topic, seq)
					}
					kept++
				}
			}
			again, nothingLeft := 0, 0
			m := &midway{t: t, name: name, dirs: []string{dir}}
			m.check = func(img *vfs.Crash) error {
				rep, err := fix(img)
				if err != nil {
					return fmt.Errorf("the second repair: %w", err)
				}
				if rep.Changed {
					again++
				} else {
					nothingLeft++
				}
				got, err := read(img, dir, true)
				if err == nil {
					err = got.lacks(want)
				}
				return errors.Join(err, use(img, dir))
			}
			m.run(disk, func(fs *vfs.Fault) error {
				_, err := fix(fs)
				return err
			})
			m.done()
			t.Logf("%d records were kept; %d images were repaired again, %d were whole; dropped: %s", kept, again, nothingLeft, dropped(rep))
		})
	}
}

func dropped(r *pipeproc.RepairReport) string {
	var list []string
	for _, d := range r.Dropped {
		list = append(list, fmt.Sprintf("%s %d-%d %s", d.Topic, d.First, d.Next, d.What))
	}
	return strings.Join(list, "; ")
}
