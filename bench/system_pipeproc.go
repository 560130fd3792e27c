package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pipeproc/pipeproc"
)

func init() {
	register(system{name: "pipeproc", module: "github.com/pipeproc/pipeproc",
		durable: "SyncAlways: pwrite and fdatasync of the write-ahead log, shared by commits that wait at once",
		relaxed: "SyncNever: a killed process loses nothing",
		open:    func(c config) (store, error) { return openPipeproc(c) }})
}

type pipeprocStore struct {
	n     *pipeproc.Node
	batch pipeproc.Batch
	names []string
}

func openPipeproc(c config) (*pipeprocStore, error) {
	o := pipeproc.Options{Sync: pipeproc.SyncNever}
	if c.durable {
		o.Sync = pipeproc.SyncAlways
	}
	if c.compress {
		o.Topic.Compression = pipeproc.Zstd
	}
	n, err := pipeproc.Open(c.dir, &o)
	if err != nil {
		return nil, err
	}
	s := &pipeprocStore{n: n}
	for i := range max(c.topics, 1) {
		s.names = append(s.names, "topic-"+strconv.Itoa(i))
	}
	return s, nil
}

func (s *pipeprocStore) Close() error { return s.n.Close() }

func (s *pipeprocStore) commit() error { return s.n.CommitBatch(context.Background(), &s.batch) }

func (s *pipeprocStore) Append(body []byte) error {
	s.batch.Reset()
	_ = s.batch.Add(s.names[0], body)
	return s.commit()
}

func (s *pipeprocStore) AppendBatch(list [][]byte) error { return s.AppendTo(0, list) }

func (s *pipeprocStore) AppendTo(topic int, list [][]byte) error {
	s.batch.Reset()
	for _, b := range list {
		_ = s.batch.Add(s.names[topic], b)
	}
	return s.commit()
}

func (s *pipeprocStore) AppendAtomic(topics int, list [][]byte) error {
	s.batch.Reset()
	for i, b := range list {
		_ = s.batch.Add(s.names[i%topics], b)
	}
	return s.commit()
}

func (s *pipeprocStore) Writer() appender { return &pipeprocStore{n: s.n, names: s.names} }

func (s *pipeprocStore) Scan(fn func([]byte)) error {
	c, err := s.n.Cursor(context.Background(), s.names[0], pipeproc.RangeOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	for c.Next() {
		fn(c.Body())
	}
	return c.Err()
}

func (s *pipeprocStore) Getter() func(uint64) ([]byte, error) {
	ctx := context.Background()
	return func(i uint64) ([]byte, error) {
		r, err := s.n.Get(ctx, s.names[0], i)
		return r.Body, err
	}
}

func (s *pipeprocStore) Times() (first, last int64, err error) {
	ctx := context.Background()
	i, err := s.n.Topic(ctx, s.names[0])
	if err != nil {
		return 0, 0, err
	}
	from, err := s.n.Get(ctx, s.names[0], 0)
	if err != nil {
		return 0, 0, err
	}
	to, err := s.n.Get(ctx, s.names[0], i.Next-1)
	return from.ID.Millis, to.ID.Millis, err
}

func (s *pipeprocStore) SeekTime(ms int64) ([]byte, error) {
	c, err := s.n.Cursor(context.Background(), s.names[0], pipeproc.RangeOptions{Start: pipeproc.AtTime(time.UnixMilli(ms)), Limit: 1})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if !c.Next() {
		return nil, fmt.Errorf("nothing at %d: %v", ms, c.Err())
	}
	return c.Body(), nil
}

func (s *pipeprocStore) Tail(ctx context.Context, fn func([]byte)) error {
	if err := s.n.WaitForRecord(ctx, s.names[0], 0); err != nil { // the topic is created with its first record
		return err
	}
	c, err := s.n.Cursor(ctx, s.names[0], pipeproc.RangeOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		for c.Next() {
			fn(c.Body())
		}
		if err := c.Err(); err != nil {
			return err
		}
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
}

func (s *pipeprocStore) Observe(m map[string]float64) error {
	st := s.n.Stats()
	m["checkpoints"] = float64(st.Checkpoints)
	m["index_bytes"] = float64(st.IndexBytes)
	return st.Err
}
