package model

import (
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestNewStoreDurable makes a store in folders that do not exist yet, and cuts
// the power: a commit that was acknowledged must have made them durable, too.
func TestNewStoreDurable(t *testing.T) {
	disk := vfs.NewCrash()
	const deep = "some/folder/store"
	n, err := pipeproc.Open(deep, &pipeproc.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	n2, err := pipeproc.Open(deep, &pipeproc.Options{FS: disk.Crash(nothing), MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n2.Close()
	if l, err := n2.Length(bg, "a"); l != 1 || err != nil {
		t.Errorf("length %d, %v", l, err)
	}
}

// TestFirstOpen cuts the power at each operation while a store is made: the next
// open must find it or make it again.
func TestFirstOpen(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrash()
	disk.Grain = 512
	var images []*vfs.Crash
	var mu sync.Mutex // the background goroutine comes through the hook, too
	fault := vfs.NewFault(disk, func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		pt := point{disk: disk.Kill()}
		for _, k := range pt.pickers(uint64(op.N), true) {
			images = append(images, disk.Crash(k.pick))
		}
		images = append(images, pt.disk)
		return nil
	})
	var c clock
	n, err := pipeproc.Open(dir, historyOptions(mutantConfig, fault, &c))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	fault.SetHook(nil)
	mu.Unlock()
	_ = n.Close()
	for i, img := range images {
		if _, err := recoverPrefix(mutantConfig, img, nil); err != nil {
			t.Errorf("image %d of %d: %v\n%s", i, len(images), err, dump(img, dir))
		}
	}
	t.Logf("%d images opened", len(images))
}
