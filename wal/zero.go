package wal

// Blocks that were reserved and never written cost a sync dear: that they are
// written now is a change of the file system's own, for which it commits its
// journal. So a log that is not mapped writes zeroes to a file before it uses it.
// A spare gets them in the background. A file that is needed at once gets them
// there and then, and so is short: it is full when there is a spare.

// zeroStep is after how many bytes a file that is zeroed in the background is
// synced, so that the log's own syncs never wait for much.
const zeroStep = 1 << 20

// zeroes is what is written at a time. Nobody writes to it.
var zeroes [fillStep]byte

// createShort makes a short file that has its zeroes.
func (l *Log) createShort(number uint64) (*file, error) {
	f, err := l.create(number, l.cfg.ShortSize)
	if err != nil {
		return nil, err
	}
	if err := f.zero(0, f.size, false); err != nil {
		l.discard(f)
		return nil, err
	}
	return f, nil
}

// zero writes zeroes to [from,to). With sync it syncs as it goes.
func (f *file) zero(from, to int64, sync bool) error {
	for off := from; off < to; {
		n := min(int64(len(zeroes)), to-off)
		if _, err := f.f.WriteAt(zeroes[:n], off); err != nil {
			return err
		}
		off += n
		if sync && off%zeroStep == 0 {
			if err := f.f.SyncData(); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill writes zeroes to [from,to) of a file that is void from there on, as far as it
// has none yet, so that its pages are in memory. Best effort: a store brings in what
// is missing.
func (f *file) fill(from, to int64) {
	if from = max(from, f.filled); from < to && f.zero(from, to, false) == nil {
		f.filled = to
	}
}

// Wanting reports whether it is time for Prepare: for a mapped log always, for
// others once half of the current file is full, so that a log that is open for a
// few frames does not write a whole spare.
func (l *Log) Wanting() bool {
	if l.cfg.Mapped {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.live) == 0 {
		return false
	}
	cur := l.live[len(l.live)-1]
	return cur.end.Load() >= cur.size/2
}
