package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

func init() {
	register(system{name: "bbolt", module: "go.etcd.io/bbolt",
		durable: "one transaction per call, two fdatasync; 64 goroutines use Batch with MaxBatchSize 64",
		relaxed: "NoSync: one transaction per call; pages have no checksum",
		open:    openBolt})
}

type boltStore struct {
	db      *bbolt.DB
	keys    *keyer
	buckets [][]byte
}

func openBolt(c config) (store, error) {
	db, err := bbolt.Open(filepath.Join(c.dir, "db"), 0o600, &bbolt.Options{NoSync: !c.durable, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize = 64
	s := &boltStore{db: db, keys: newKeyer(c)}
	for i := range s.keys.next {
		s.buckets = append(s.buckets, binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	return s, db.Update(func(tx *bbolt.Tx) error {
		for _, name := range s.buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *boltStore) Close() error { return s.db.Close() }

func (s *boltStore) put(tx *bbolt.Tx, topic int, body []byte) error {
	b := tx.Bucket(s.buckets[topic])
	b.FillPercent = 1 // keys only increase
	return b.Put(s.keys.add(nil, topic), body)
}

func (s *boltStore) Append(body []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return s.put(tx, 0, body) })
}

func (s *boltStore) AppendBatch(list [][]byte) error { return s.AppendTo(0, list) }

func (s *boltStore) AppendTo(topic int, list [][]byte) error {
	return s.put100(list, func(int) int { return topic })
}

func (s *boltStore) AppendAtomic(topics int, list [][]byte) error {
	return s.put100(list, func(i int) int { return i % topics })
}

func (s *boltStore) put100(list [][]byte, topic func(int) int) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for i, b := range list {
			if err := s.put(tx, topic(i), b); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *boltStore) Writer() appender { return boltShare{s} }

type boltShare struct{ s *boltStore }

func (w boltShare) Append(body []byte) error {
	return w.s.db.Batch(func(tx *bbolt.Tx) error { return w.s.put(tx, 0, body) })
}

func (s *boltStore) Scan(fn func([]byte)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(s.buckets[0]).ForEach(func(_, v []byte) error {
			fn(v)
			return nil
		})
	})
}

func (s *boltStore) Getter() func(uint64) ([]byte, error) {
	var key, body []byte
	return func(i uint64) ([]byte, error) {
		key = recordKey(key[:0], 0, i)
		err := s.db.View(func(tx *bbolt.Tx) error {
			body = append(body[:0], tx.Bucket(s.buckets[0]).Get(key)...)
			return nil
		})
		return body, err
	}
}

func (s *boltStore) Times() (first, last int64, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(s.buckets[0]).Cursor()
		k, _ := c.First()
		first = keyTime(k)
		k, _ = c.Last()
		last = keyTime(k)
		return nil
	})
	return first, last, err
}

func (s *boltStore) SeekTime(ms int64) (body []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		_, v := tx.Bucket(s.buckets[0]).Cursor().Seek(timeKey(nil, ms, 0))
		body = append(body, v...)
		return nil
	})
	return body, err
}

// Tail polls.
func (s *boltStore) Tail(ctx context.Context, fn func([]byte)) error {
	var from uint64
	for ctx.Err() == nil {
		err := s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(s.buckets[0]).Cursor()
			for k, v := c.Seek(recordKey(nil, 0, from)); k != nil; k, v = c.Next() {
				fn(v)
				from++
			}
			return nil
		})
		if err != nil {
			return err
		}
		time.Sleep(pollEvery)
	}
	return nil
}
