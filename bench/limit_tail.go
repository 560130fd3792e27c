package main

import (
	"context"
	"encoding/binary"
	"sync/atomic"
)

func init() {
	register(system{name: "limit:tail", relaxed: "as limit:mmap, with a reader that is woken through a channel when it sleeps",
		open: func(c config) (store, error) {
			m, err := openLimitMmap(c, false)
			if err != nil {
				return nil, err
			}
			return &limitTail{limitMmap: m.(*limitMmap), wake: make(chan struct{}, 1)}, nil
		}})
}

type limitTail struct {
	*limitMmap
	end    atomic.Int64 // what the reader may read
	asleep atomic.Bool
	wake   chan struct{}
}

func (t *limitTail) Append(body []byte) error {
	err := t.limitMmap.Append(body)
	t.end.Store(int64(t.at))
	if t.asleep.Load() && t.asleep.CompareAndSwap(true, false) {
		t.wake <- struct{}{}
	}
	return err
}

func (t *limitTail) Tail(ctx context.Context, fn func([]byte)) error {
	at := int64(0)
	for {
		for end := t.end.Load(); at < end; {
			body, err := check(t.b[at:])
			if err != nil {
				return err
			}
			at += limitHeader + int64(binary.LittleEndian.Uint32(t.b[at:]))
			fn(body)
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		t.asleep.Store(true)
		if t.end.Load() > at && t.asleep.CompareAndSwap(true, false) {
			continue
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil
		}
	}
}
