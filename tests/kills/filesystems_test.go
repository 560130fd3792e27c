//go:build linux

package kills

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// realFS is a file system that the tests make small ones of.
type realFS struct {
	name string
	mkfs []string // nil for tmpfs
	size int64    // of the image, of which only what is written takes room
}

var realFSs = []realFS{
	{"tmpfs", nil, 48 << 20},
	{"ext4", []string{"mkfs.ext4", "-q", "-F", "-m", "0"}, 64 << 20},
	{"xfs", []string{"mkfs.xfs", "-q", "-f"}, 320 << 20},
	{"btrfs", []string{"mkfs.btrfs", "-q", "-f"}, 128 << 20},
}

// mount makes the file system and mounts it, or skips the test.
func (r realFS) mount(t *testing.T) string {
	t.Helper()
	if r.mkfs == nil {
		return tmpfs(t, fmt.Sprint(r.size))
	}
	return loop(t, r.size, r.mkfs...)
}

// loop makes a file system of its own in a file and mounts it, or skips the test.
func loop(t *testing.T, size int64, mkfs ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	run := func(what, name string, args ...string) {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		process.Need(t, what, err)
	}
	dir := t.TempDir()
	run(mkfs[0], mkfs[0], append(mkfs[1:len(mkfs):len(mkfs)], image)...)
	run("a loop mount (root)", "mount", "-o", "loop", image, dir)
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// TestFileSystems takes a store through what a full disk can do to it, on each file
// system and in each mode: filled, by the store and by others, pruned there, killed
// there, opened there, killed again, given room, killed, closed. Each process checks
// all that the ones before have acknowledged.
func TestFileSystems(t *testing.T) {
	for _, fs := range realFSs {
		for _, mode := range process.Modes {
			t.Run(fs.name+"/"+mode, func(t *testing.T) {
				if testing.Short() && mode == "interval" {
					t.Skip("it is much like never")
				}
				t.Parallel()
				d := &fsDisk{t: t, mount: fs.mount(t), mode: mode}
				d.leave(12 << 20)
				d.play("commit:10", "fill", "others", "prune", "commit:5", "delete", "checkpoint", "fill", "others")
				for range 4 {
					d.play("try") // no more than another start on the full disk
				}
				d.play("try", "prune", "checkpoint", "commit:5", "fill", "others")
				d.play("try", "delete", "room", "commit:20")
				d.leave(8 << 20)
				d.play("fill", "others")
				d.play("room", "commit:20", "checkpoint", "commit:5")
				d.play("commit:5", "close")
				d.play("close")
				if n := len(d.said); n > 0 {
					t.Logf("%d errors: %s", n, strings.Join(d.said, "\n"))
				}
			})
		}
	}
}

// TestS15CopyOnWrite: field case S15. The files of this store are overwritten elsewhere,
// as they were made by something that knows nothing of a full disk (it was restored,
// or its subvolume has a snapshot). There may be no room even for STORE. The node says so
// and goes on when there is some, and so does one that could not be opened.
func TestS15CopyOnWrite(t *testing.T) {
	btrfs := realFSs[len(realFSs)-1]
	for _, mode := range process.Modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			d := &fsDisk{t: t, mount: btrfs.mount(t), mode: mode}
			d.play("commit:200", "checkpoint", "commit:20", "checkpoint", "commit:20")
			data := filepath.Join(d.mount, "data")
			copyTree(t, data+"-copy", data)
			if err := errors.Join(os.RemoveAll(data), os.Rename(data+"-copy", data)); err != nil {
				t.Fatal(err)
			}
			d.leave(8 << 20)
			d.play("commit:5", "fill", "others", "try", "try-checkpoint", "try-checkpoint", "room", "commit:20")
			d.leave(8 << 20)
			d.play("others", "try", "try-checkpoint", "others")
			for range 3 {
				d.play("try", "try-checkpoint")
			}
			d.play("try", "room", "commit:20", "checkpoint", "commit:5")
			d.play("commit:5", "close")
			d.play("close")
			if n := len(d.said); n > 0 {
				t.Logf("%d errors: %s", n, strings.Join(d.said, "\n"))
			}
		})
	}
}

// fsDisk is a store on a file system of its own.
type fsDisk struct {
	t           *testing.T
	mount, mode string
	state       string // what was acknowledged, as fsChild has it
	said        []string
}

// leave has others take all but n bytes.
func (d *fsDisk) leave(n int64) {
	d.t.Helper()
	if free := freeBytes(d.t, d.mount); free > n {
		if err := fillFile(filepath.Join(d.mount, "ballast-0"), free-n); err != nil {
			d.t.Fatal(err)
		}
	}
}

// play has a process do the steps, and kills it when it has done them.
func (d *fsDisk) play(steps ...string) {
	t := d.t
	t.Helper()
	args := append([]string{d.mount, d.mode, d.state}, steps...)
	c := process.Start(t, process.Command(process.Soon(t), nil, "disk", args...))
	defer c.Kill()
	done := false
	for {
		line, ok := c.Line()
		if !ok {
			break
		}
		switch what, rest, _ := strings.Cut(line, " "); what {
		case "state":
			d.state = rest
		case "done":
			done = true
			c.Kill()
		default:
			d.said = append(d.said, line)
		}
	}
	if err := c.Wait(); !done || !process.Killed(err) {
		var st unix.Statfs_t
		_ = unix.Statfs(d.mount, &st)
		t.Fatalf("%v: %v\n%s\nbefore: %s\nblocks: %d free of %d", steps, err, c.Stderr(), strings.Join(d.said, "\n"), st.Bfree, st.Blocks)
	}
}
