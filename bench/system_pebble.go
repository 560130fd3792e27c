package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

func init() {
	register(system{name: "pebble", module: "github.com/cockroachdb/pebble/v2",
		durable: "pebble.Sync: write and fdatasync of its log, shared by commits that wait at once",
		relaxed: "pebble.NoSync: acknowledged before it is written; a killed process loses the newest records",
		open:    openPebble})
}

type quiet struct{}

func (quiet) Infof(string, ...any)      {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Warningf(string, ...any)   {}
func (quiet) Debugf(string, ...any)     {}
func (quiet) Fatalf(f string, a ...any) { panic(f) }

type pebbleStore struct {
	db    *pebble.DB
	cache *pebble.Cache
	wo    *pebble.WriteOptions
	keys  *keyer
	key   []byte
	next  atomic.Uint64 // for the writers that share
}

func openPebble(c config) (store, error) {
	s := &pebbleStore{wo: pebble.NoSync, keys: newKeyer(c), cache: pebble.NewCache(256 << 20)}
	if c.durable {
		s.wo = pebble.Sync
	}
	o := &pebble.Options{Cache: s.cache, MemTableSize: 64 << 20, Logger: quiet{}}
	if c.compress {
		o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	}
	var err error
	s.db, err = pebble.Open(c.dir, o)
	return s, err
}

func (s *pebbleStore) Close() error {
	err := s.db.Close()
	s.cache.Unref()
	return err
}

func (s *pebbleStore) Append(body []byte) error {
	s.key = s.keys.add(s.key[:0], 0)
	return s.db.Set(s.key, body, s.wo)
}

func (s *pebbleStore) commit(n int, list [][]byte, topic func(i int) int) error {
	b := s.db.NewBatchWithSize(n)
	for i, body := range list {
		s.key = s.keys.add(s.key[:0], topic(i))
		if err := b.Set(s.key, body, nil); err != nil {
			return err
		}
	}
	if err := b.Commit(s.wo); err != nil {
		return err
	}
	return b.Close()
}

func room(list [][]byte) int { return 64 + len(list)*(keySize+8+len(list[0])) }

func (s *pebbleStore) AppendBatch(list [][]byte) error { return s.AppendTo(0, list) }

func (s *pebbleStore) AppendTo(topic int, list [][]byte) error {
	return s.commit(room(list), list, func(int) int { return topic })
}

func (s *pebbleStore) AppendAtomic(topics int, list [][]byte) error {
	return s.commit(room(list), list, func(i int) int { return i % topics })
}

func (s *pebbleStore) Writer() appender { return &pebbleWriter{s: s} }

type pebbleWriter struct {
	s   *pebbleStore
	key []byte
}

func (w *pebbleWriter) Append(body []byte) error {
	w.key = recordKey(w.key[:0], 0, w.s.next.Add(1))
	return w.s.db.Set(w.key, body, w.s.wo)
}

func (s *pebbleStore) Scan(fn func([]byte)) error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		fn(it.Value())
	}
	return errors.Join(it.Error(), it.Close())
}

func (s *pebbleStore) Getter() func(uint64) ([]byte, error) {
	var key, body []byte
	return func(i uint64) ([]byte, error) {
		key = recordKey(key[:0], 0, i)
		v, c, err := s.db.Get(key)
		if err != nil {
			return nil, err
		}
		body = append(body[:0], v...)
		return body, c.Close()
	}
}

func (s *pebbleStore) Times() (first, last int64, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, 0, err
	}
	defer it.Close()
	if it.First() {
		first = keyTime(it.Key())
	}
	if it.Last() {
		last = keyTime(it.Key())
	}
	return first, last, it.Error()
}

func (s *pebbleStore) SeekTime(ms int64) ([]byte, error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if !it.SeekGE(timeKey(nil, ms, 0)) {
		return nil, errors.Join(errCannot, it.Error())
	}
	return append([]byte(nil), it.Value()...), nil
}

// pollEvery is how long systems without notifications sleep between polls.
const pollEvery = 50 * time.Microsecond

// Tail polls, as pebble does not notify of new keys.
func (s *pebbleStore) Tail(ctx context.Context, fn func([]byte)) error {
	var from uint64
	for ctx.Err() == nil {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: recordKey(nil, 0, from)})
		if err != nil {
			return err
		}
		for it.First(); it.Valid(); it.Next() {
			fn(it.Value())
			from++
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return err
		}
		time.Sleep(pollEvery)
	}
	return nil
}
