package wal

// A sync after the first write to preallocated blocks is expensive: the file
// system marks the blocks as written, and commits its journal for that. So a
// log that is not mapped writes zeroes to a file before it uses it. A spare
// gets them in the background. A file that is needed at once gets them
// immediately, and is short for that reason: it will be full when a spare is
// ready.

// zeroStep is the number of bytes after which a file that is zeroed in the
// background is synced, so that the log's own syncs never wait for long.
const zeroStep = 1 << 20

// zeroes is written repeatedly to zero a file. It is read only.
var zeroes [fillStep]byte

// createShort makes a short file and zeroes it.
func (l *Log) createShort(number uint64) (*file, error) {
	f, err := l.create(number, l.cfg.ShortSize)
	if err != nil {
		return nil, err
	}
	if err := f.zero(0, f.size); err != nil {
		l.discard(f)
		return nil, err
	}
	return f, nil
}

// zeroSynced writes zeroes to all of a file and syncs as it goes.
func (l *Log) zeroSynced(f *file) error {
	for off := int64(0); off < f.size; off += zeroStep {
		to := min(off+zeroStep, f.size)
		if err := f.zero(off, to); err != nil {
			return err
		}
		if to == off+zeroStep {
			if err := f.f.SyncData(); err != nil {
				return l.spareFailed(err)
			}
		}
	}
	return nil
}

// zero writes zeroes to [from,to).
func (f *file) zero(from, to int64) error {
	for off := from; off < to; {
		n := min(int64(len(zeroes)), to-off)
		if _, err := f.f.WriteAt(zeroes[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// fill writes zeroes to the part of [from,to) that has none yet, so that its
// pages are in memory. The file must be void from there on. Best effort: a
// store faults in what is missing.
func (f *file) fill(from, to int64) {
	if from = max(from, f.filled); from < to && f.zero(from, to) == nil {
		f.filled = to
	}
}

// Wanting reports whether it is time for Prepare: for a mapped log always, for
// others once half of the current file is full, so that a log opened for a few
// frames does not write a whole spare.
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
