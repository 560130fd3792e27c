package wal

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// Everything that may happen at the same time does.
func TestConcurrent(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewCrash()
		l := create(t, config(fs, mapped))
		must(t, fs.SyncDir("/"))
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					before := l.Position()
					if err := l.Sync(); err != nil {
						t.Error(err)
						return
					}
					if l.Durable() < before {
						t.Errorf("durable %d after a sync at %d", l.Durable(), before)
					}
				}
			})
		}
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := l.Prepare(); err != nil {
					t.Error(err)
				}
				if n := l.settled.Load(); n > 3 {
					if err := l.Drop(n - 3); err != nil {
						t.Error(err)
					}
				}
				l.Size()
				l.Files()
			}
		})
		for i := range 2000 {
			appendAll(t, l, frame(fmt.Sprint("frame ", i), "part"), sized(uint64(i), 512))
		}
		close(done)
		wg.Wait()
		must(t, l.Sync())
		l.mu.Lock()
		first := l.live[0]
		cfg := replayConfig(fs.Crash(func(vfs.Unit) bool { return false }))
		cfg.Number, cfg.Position = first.number, first.first
		l.mu.Unlock()
		got, res := readAll(t, cfg)
		if res.Position != 4001 || len(got) == 0 {
			t.Errorf("%+v", res)
		}
		must(t, l.Close(0))
	})
}
