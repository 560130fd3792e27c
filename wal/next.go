package wal

// Next returns the number that the next new file will have. It is above every
// file there is.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// StoreOf returns the store id in the header of a log file, given its first
// bytes, as far as the magic says that it is one. For repair.
func StoreOf(b []byte) (id [16]byte, ok bool) {
	if len(b) < 32 || string(b[:8]) != magic {
		return id, false
	}
	copy(id[:], b[16:])
	return id, true
}
