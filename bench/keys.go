package main

import (
	"encoding/binary"
	"time"
)

// keyer makes the keys that a log needs in a key-value store: topic and number,
// or time and number when the workload seeks by time.
type keyer struct {
	next   []uint64 // number of the next record, by topic
	byTime bool
}

func newKeyer(c config) *keyer {
	return &keyer{next: make([]uint64, max(c.topics, 1)), byTime: c.byTime}
}

const keySize = 16

// add appends the key of a topic's next record to dst.
func (k *keyer) add(dst []byte, topic int) []byte {
	n := k.next[topic]
	k.next[topic]++
	if k.byTime {
		return timeKey(dst, time.Now().UnixMilli(), n)
	}
	return recordKey(dst, topic, n)
}

func recordKey(dst []byte, topic int, n uint64) []byte { return timeKey(dst, int64(topic), n) }

func timeKey(dst []byte, ms int64, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(ms)), n)
}

func keyTime(key []byte) int64 { return int64(binary.BigEndian.Uint64(key)) }
