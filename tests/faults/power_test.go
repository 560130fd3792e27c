//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// disk is an ext4 file system in a file.
type disk struct {
	t          *testing.T
	image, dir string
	mounted    bool
}

func run(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// newDisk makes the file system in the folder in, and mounts it.
func newDisk(t *testing.T, in string, size int64) *disk {
	t.Helper()
	d := &disk{t: t, image: filepath.Join(in, "image"), dir: t.TempDir()}
	f, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	process.Need(t, "mkfs.ext4", run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", d.image))
	process.Need(t, "a loop mount (root)", d.mount())
	t.Cleanup(func() {
		if d.mounted {
			d.unmount()
		}
	})
	return d
}

func (d *disk) mount() error {
	err := run("mount", "-o", "loop", d.image, d.dir)
	d.mounted = err == nil
	return err
}

func (d *disk) unmount() {
	d.t.Helper()
	if err := run("umount", d.dir); err != nil {
		d.t.Errorf("%v", err)
		_ = run("umount", "-l", d.dir)
	}
	d.mounted = false
}

// sync writes everything to the disk.
func (d *disk) sync() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// shut does what a power cut does: nothing more reaches the disk, not even what the
// journal still has.
func (d *disk) shut() error {
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush)
}

// TestF04PowerCut: a real file system loses what was not synced, while a child works
// on it (4, 5, 19, 20). What must survive does, and what survives is an earlier
// state, of whole steps.
func TestF04PowerCut(t *testing.T) {
	d := newDisk(t, t.TempDir(), 96<<20)
	cuts, acked, lost := 0, 0, map[string]int{}
	for i, mode := range process.Modes {
		rnd := rand.New(rand.NewPCG(*seed, uint64(400+i)))
		k := 0
		for round := range *rounds {
			if round%6 == 0 {
				if err := os.RemoveAll(filepath.Join(d.dir, "data")); err != nil {
					t.Fatal(err)
				}
				k = 0
			}
			for _, b := range glob(d.dir, "backup-*") {
				os.RemoveAll(b)
			}
			d.sync()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			cmd := command(ctx, "work", d.dir, mode, k, 1<<20)
			after, cut := 1+rnd.IntN(60), make(chan error, 1)
			known := k // acknowledged when the power went
			o := follow(t, cmd, k, func(o *outcome) {
				if known < 0 {
					return
				}
				if o.next-k < after && len(o.failed) == 0 {
					known = o.next
					return
				}
				known = -1
				cut <- d.shut()
				if mode != "always" { // which would go on: nothing asks the disk
					_ = cmd.Process.Kill()
				}
			})
			cancel()
			select {
			case err := <-cut:
				process.Need(t, "the shutdown ioctl of ext4", err)
			default:
				t.Fatalf("%s, round %d: the child ended before the cut: %s %s %v", mode, round, o.code, o.stderr, o.failed)
			}
			d.unmount()
			if err := d.mount(); err != nil {
				t.Fatal(err)
			}
			lo := o.next
			if mode != "always" {
				lo = min(o.durable, o.next)
				if lo < k { // the parent closed it properly
					lo = k
				}
			}
			when := fmt.Sprintf("%s, round %d: power cut after step %d", mode, round, o.next)
			now, ok := check(t, when, d.dir, mode, lo, o.next+1)
			if !ok {
				return
			}
			cuts++
			acked += o.next - k
			lost[mode] += max(0, o.next-(now-3))
			k = now
		}
	}
	fmt.Printf("faults 4, 5, 19, 20: %d power cuts of ext4, %d acknowledged steps, of which the cuts took %v (SyncAlways must be 0); seed %d; failed: %v\n",
		cuts, acked, lost, *seed, t.Failed())
	if lost["always"] > 0 {
		t.Error("acknowledged steps were lost")
	}
}

func glob(dir, pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, pattern))
	return names
}

// TestF14SyncFailsAndPowerCut: the n-th sync fails and then the power goes, so
// that what it was for is really not on the disk. Nobody was told that it is.
func TestF14SyncFailsAndPowerCut(t *testing.T) {
	needStrace(t)
	d := newDisk(t, t.TempDir(), 96<<20)
	rnd := rand.New(rand.NewPCG(*seed, 144))
	faults, unsaid := 0, 0
	for _, calls := range []string{"fdatasync", "fsync", "msync"} {
		mode := "always"
		if calls == "msync" {
			mode = "interval"
		}
		for n := 1; ; n++ {
			if !*full {
				n += rnd.IntN(n + 2)
			}
			for _, b := range glob(d.dir, "*") {
				if filepath.Base(b) != "lost+found" {
					os.RemoveAll(b)
				}
			}
			d.sync() // else the cut brings them back
			o := strace(t, d.dir, mode, calls, "error=EIO", n, 0, 40)
			process.Need(t, "the shutdown ioctl of ext4", d.shut())
			d.unmount()
			if err := d.mount(); err != nil {
				t.Fatal(err)
			}
			lo := o.next
			if mode != "always" {
				lo = o.durable
			}
			if o.closed {
				lo = o.next
			}
			when := fmt.Sprintf("%s: EIO at %s %d, then a power cut", mode, calls, n)
			now, ok := check(t, when, d.dir, mode, lo, o.next+1)
			if !ok || o.hits == 0 {
				break
			}
			if now-3 <= o.next {
				unsaid++
			}
			faults++
		}
	}
	fmt.Printf("fault 14, with the power cut: %d syncs failed, in %d the step was gone afterwards, of those acknowledged 0; seed %d; failed: %v\n", faults, unsaid, *seed, t.Failed())
}

// TestF14DeviceFails: the disk below ext4 fails writes, because its image lies on a
// file system that is full. The kernel says so at one sync and says that all is well
// at later ones, although the data is gone; the node must not believe them.
func TestF14DeviceFails(t *testing.T) {
	said, sticky := 0, 0
	for round := range min(*rounds, 3) {
		mode := process.Modes[round%2]
		small := t.TempDir()
		process.Need(t, "a mount of tmpfs (root)", unix.Mount("tmpfs", small, "tmpfs", 0, "size=10m"))
		t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
		ballast := filepath.Join(small, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		d := newDisk(t, small, 64<<20)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		o := follow(t, command(ctx, "work", d.dir, mode, 0, 20000), 0, nil)
		cancel()
		if len(o.failed) == 0 || o.closed {
			t.Fatalf("the disk did not fail: %+v", o)
		}
		said += len(o.failed)
		if o.sticky {
			sticky++
		}
		d.unmount()
		if err := os.Remove(ballast); err != nil { // for the journal's replay
			t.Fatal(err)
		}
		if err := d.mount(); err != nil {
			t.Fatal(err)
		}
		lo := o.next
		if mode != "always" {
			lo = o.durable
		}
		if err := unix.Mount("", small, "", unix.MS_REMOUNT, "size=100m"); err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprintf("%s: the device failed after step %d (%v)", mode, o.next, o.failed), d.dir, mode, lo, o.next+1)
		d.unmount()
	}
	fmt.Printf("fault 14, with a failing device: %d errors said, %d nodes took nothing more; failed: %v\n", said, sticky, t.Failed())
}
