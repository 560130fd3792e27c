package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

func init() {
	register(system{name: "wlog", module: "github.com/prometheus/prometheus",
		durable: "Log and Sync in each call; no group commit, goroutines take turns",
		relaxed: "one write per call; a write-only log, without reads by number",
		open:    openWlog})
}

type wlogStore struct {
	w       *wlog.WL
	dir     string
	durable bool
	one     [1][]byte
	mu      sync.Mutex
}

func openWlog(c config) (store, error) {
	kind := compression.None
	if c.compress {
		kind = compression.Zstd
	}
	w, err := wlog.NewSize(slog.New(slog.DiscardHandler), nil, c.dir, 64<<20, kind)
	if err != nil {
		return nil, err
	}
	return &wlogStore{w: w, dir: c.dir, durable: c.durable}, nil
}

func (s *wlogStore) Close() error { return s.w.Close() }

func (s *wlogStore) Append(body []byte) error {
	s.one[0] = body
	return s.AppendBatch(s.one[:])
}

func (s *wlogStore) AppendBatch(list [][]byte) error {
	err := s.w.Log(list...)
	if err == nil && s.durable {
		err = s.w.Sync()
	}
	return err
}

func (s *wlogStore) Writer() appender { return locked{&s.mu, s} }

// locked serializes goroutines.
type locked struct {
	mu *sync.Mutex
	a  appender
}

func (l locked) Append(body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.a.Append(body)
}

func (s *wlogStore) Scan(fn func([]byte)) error {
	src, err := wlog.NewSegmentsReader(s.dir)
	if err != nil {
		return err
	}
	r := wlog.NewReader(src)
	for r.Next() {
		fn(r.Record())
	}
	return errors.Join(r.Err(), src.Close())
}

// Tail reads the segments as they grow, and polls.
func (s *wlogStore) Tail(ctx context.Context, fn func([]byte)) error {
	for i := 0; ctx.Err() == nil; i++ {
		seg, err := s.segment(ctx, i)
		if err != nil || seg == nil {
			return err
		}
		r := wlog.NewLiveReader(slog.New(slog.DiscardHandler), wlog.NewLiveReaderMetrics(nil), seg)
		for ctx.Err() == nil {
			_, last, err := wlog.Segments(s.dir)
			if err != nil {
				return err
			}
			for r.Next() {
				fn(r.Record())
			}
			if r.Err() != nil && !errors.Is(r.Err(), io.EOF) {
				return r.Err()
			}
			if last > i { // this segment is complete
				for r.Next() {
					fn(r.Record())
				}
				break
			}
			time.Sleep(pollEvery)
		}
		seg.Close()
	}
	return nil
}

// segment waits for a segment and opens it.
func (s *wlogStore) segment(ctx context.Context, i int) (*wlog.Segment, error) {
	for ctx.Err() == nil {
		if _, last, err := wlog.Segments(s.dir); err != nil {
			return nil, err
		} else if last >= i {
			return wlog.OpenReadSegment(wlog.SegmentName(s.dir, i))
		}
		time.Sleep(pollEvery)
	}
	return nil, nil
}
