package wal

// Next returns the number that the next new file will have. It is above every
// file there is.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}
