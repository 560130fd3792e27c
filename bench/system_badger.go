package main

import (
	"github.com/dgraph-io/badger/v4"
	bopt "github.com/dgraph-io/badger/v4/options"
	"sync/atomic"
)

func init() {
	register(system{name: "badger", module: "github.com/dgraph-io/badger/v4",
		durable: "SyncWrites: msync of its mapped log per request",
		relaxed: "stores into a mapped log",
		open:    openBadger})
}

type badgerStore struct {
	db   *badger.DB
	keys *keyer
	next atomic.Uint64 // for the writers that share
}

func openBadger(c config) (store, error) {
	o := badger.DefaultOptions(c.dir).WithLogger(quiet{}).WithSyncWrites(c.durable)
	if c.compress {
		o = o.WithCompression(bopt.ZSTD)
	}
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return &badgerStore{db: db, keys: newKeyer(c)}, nil
}

func (s *badgerStore) Close() error { return s.db.Close() }

func (s *badgerStore) Append(body []byte) error {
	return s.db.Update(func(tx *badger.Txn) error { return tx.Set(s.keys.add(nil, 0), body) })
}

func (s *badgerStore) AppendBatch(list [][]byte) error { return s.AppendTo(0, list) }

func (s *badgerStore) AppendTo(topic int, list [][]byte) error {
	return s.commit(list, func(int) int { return topic })
}

func (s *badgerStore) AppendAtomic(topics int, list [][]byte) error {
	return s.commit(list, func(i int) int { return i % topics })
}

func (s *badgerStore) commit(list [][]byte, topic func(int) int) error {
	return s.db.Update(func(tx *badger.Txn) error {
		for i, b := range list {
			if err := tx.Set(s.keys.add(nil, topic(i)), b); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *badgerStore) Writer() appender { return badgerShare{s} }

type badgerShare struct{ s *badgerStore }

func (w badgerShare) Append(body []byte) error {
	return w.s.db.Update(func(tx *badger.Txn) error { return tx.Set(recordKey(nil, 0, w.s.next.Add(1)), body) })
}

func (s *badgerStore) Scan(fn func([]byte)) error {
	return s.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := it.Item().Value(func(b []byte) error { fn(b); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *badgerStore) Getter() func(uint64) ([]byte, error) {
	var key, body []byte
	return func(i uint64) ([]byte, error) {
		key = recordKey(key[:0], 0, i)
		err := s.db.View(func(tx *badger.Txn) error {
			item, err := tx.Get(key)
			if err != nil {
				return err
			}
			body, err = item.ValueCopy(body)
			return err
		})
		return body, err
	}
}

func (s *badgerStore) Times() (first, last int64, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		it := tx.NewIterator(o)
		it.Rewind()
		first = keyTime(it.Item().Key())
		it.Close()
		o.Reverse = true
		it = tx.NewIterator(o)
		it.Rewind()
		last = keyTime(it.Item().Key())
		it.Close()
		return nil
	})
	return first, last, err
}

func (s *badgerStore) SeekTime(ms int64) (body []byte, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchSize = 1
		it := tx.NewIterator(o)
		defer it.Close()
		it.Seek(timeKey(nil, ms, 0))
		if !it.Valid() {
			return errCannot
		}
		body, err = it.Item().ValueCopy(nil)
		return err
	})
	return body, err
}
