package model

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestS16EverySync has each sync of the history fail once, of whatever file or
// directory and on whichever goroutine. From then on no commit is acknowledged,
// and Err says why.
func TestS16EverySync(t *testing.T) {
	t.Parallel()
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 1
			for ; ; n++ {
				hit := ""
				synctest.Test(t, func(t *testing.T) {
					var err error
					if hit, err = failSync(cfg, n); err != nil {
						t.Errorf("sync %d, of %s: %v", n, hit, err)
					}
				})
				if hit == "" {
					break
				}
			}
			t.Logf("%d syncs", n-1)
		})
	}
}

// failSync plays the history until its n-th sync, which fails. It returns what was to be
// synced, "" if there are fewer.
func failSync(cfg config, n int) (hit string, err error) {
	disk := newDisk(cfg.grain)
	var mu sync.Mutex
	count := 0
	fault := vfs.NewFault(disk, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync, vfs.OpSyncDir:
		default:
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if count++; count != n {
			return nil
		}
		if op.Kind != vfs.OpSyncDir {
			disk.FailSync(op.Name)
		}
		hit = op.Name + " " + string(op.Kind)
		return syscall.EIO
	})
	failed := func() bool {
		synctest.Wait() // the background may be at it
		mu.Lock()
		defer mu.Unlock()
		return hit != ""
	}
	p := newPlayer(cfg, fault)
	defer func() {
		if p.node != nil {
			_ = p.node.Close()
		}
	}()
	if oerr := p.open(); oerr != nil {
		failed()
		return hit, nil //nolint:nilerr // so nothing can be acknowledged
	}
	if failed() {
		return hit, p.stuck()
	}
	h := makeHistory()
	for i := range h {
		serr := p.play(&h[i])
		switch {
		case isWrong(serr):
			return hit, fmt.Errorf("step %d (%s): %w", i, h[i].do, serr)
		case failed() && serr == nil && h[i].do == "close":
			return hit, errors.New("close returned nil")
		case failed() && serr != nil && (h[i].do == "reopen" || h[i].do == "close"):
			return hit, nil
		case failed():
			return hit, p.stuck()
		case serr != nil:
			return hit, fmt.Errorf("step %d (%s): %w", i, h[i].do, serr)
		}
	}
	p.node = nil
	return hit, nil
}

// stuck checks that the node acknowledges nothing and says why.
func (p *player) stuck() error {
	if err := p.node.Err(); !errors.Is(err, pipeproc.ErrLogFailed) || !errors.Is(err, syscall.EIO) {
		return fmt.Errorf("Err is %w", err)
	}
	for _, mode := range []pipeproc.Durability{pipeproc.ByMode, pipeproc.Durable} {
		b := new(pipeproc.Batch)
		_ = b.AddRecord(&pipeproc.Record{Topic: "alpha", Body: []byte("x")})
		b.Durability = mode
		if err := p.node.CommitBatch(bg, b); !errors.Is(err, pipeproc.ErrLogFailed) {
			return fmt.Errorf("a commit: %w", err)
		}
	}
	if _, err := p.fs.Stat(dir + "/SUSPECT"); err != nil {
		return err
	}
	return nil
}
