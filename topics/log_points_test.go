package topics

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pipeproc/pipeproc/index"
	"github.com/pipeproc/pipeproc/segment"
)

// TestPoints compares searches in the points of a segment with its blocks.
func TestPoints(t *testing.T) {
	s := &seg{number: 3, base: 1000, time: 5000}
	l := &log{idx: index.New()}
	type block struct {
		seq     uint64
		ms, off int64
	}
	var blocks []block
	b := block{1000, 5000, segment.FileHeaderSize}
	for i := range 500 {
		blocks = append(blocks, b)
		s.points.add(s, b.seq, b.ms, b.off)
		b.seq += uint64(1 + i%7)
		b.ms += int64(i % 3)
		b.off += int64(700 + i%9*500)
	}
	s.end.Store(b.off)
	far := 0
	for i, k := range blocks {
		from, to := l.near(s, k.seq)
		if from > k.off || to <= k.off || to-from > pointSpacing+8000 {
			t.Fatalf("block %d at %d is said to be between %d and %d", i, k.off, from, to)
		}
		if from != k.off {
			far++
		}
		if off, ok := s.points.before(s, k.ms); ok {
			for _, x := range blocks {
				if x.off == off && x.ms >= k.ms {
					t.Fatalf("before %d comes a block of %d", k.ms, x.ms)
				}
			}
		} else if k.ms > s.time {
			t.Fatal("nothing before", k.ms)
		}
	}
	if far == 0 || far == len(blocks) {
		t.Fatal(far, "blocks have no point of their own")
	}
	list := l.entries(s, pointSpacing)
	if list[0] != (segment.Entry{Seq: 1000, Time: 5000, Off: segment.FileHeaderSize}) {
		t.Fatalf("the first entry is %+v", list[0])
	}
	for i := 1; i < len(list); i++ {
		if list[i].Off-list[i-1].Off < pointSpacing || list[i].Seq <= list[i-1].Seq {
			t.Fatal("entries", list[i-1], list[i])
		}
	}
	if room := footerRoom(b.off); int64(len(list))*segment.EntrySize+segment.TrailerSize > room {
		t.Fatalf("%d entries do not fit the %d bytes that are reserved", len(list), room)
	}
	if coarse := l.entries(s, coarseSpacing); len(coarse) >= len(list)/2 {
		t.Fatal(len(coarse), "coarse entries of", len(list))
	}
}

// TestPointsTooFar demands that the index locates a block whose distance from the
// segment's first does not fit in a point, and that the footer lists it too.
func TestPointsTooFar(t *testing.T) {
	s := &seg{number: 1, base: 10, time: 20}
	l := &log{idx: index.New()}
	add := func(seq uint64, ms, off int64) {
		l.idx.Add(index.Entry{Seq: seq, Time: ms, Segment: 1, Off: off})
		s.points.add(s, seq, ms, off)
	}
	add(10, 20, 512)
	add(10+1<<32, 20, 512+indexSpacing)
	add(11+1<<32, 20+1<<32, 512+2*indexSpacing)
	s.end.Store(512 + 3*indexSpacing)
	if n := len(s.points.all()); n != 1 {
		t.Fatal(n, "points")
	}
	for i, seq := range []uint64{9 + 1<<32, 10 + 1<<32, 11 + 1<<32} {
		if from, _ := l.near(s, seq); from != 512+int64(i)*indexSpacing {
			t.Error(seq, "is said to be behind", from)
		}
	}
	if list := l.entries(s, pointSpacing); len(list) != 3 || list[2].Time != 20+1<<32 {
		t.Error("entries", list)
	}
}

// TestPointsReaders searches while the leader adds points and, at the end, drops
// them.
func TestPointsReaders(t *testing.T) {
	s := &seg{base: 0, time: 0}
	const n = 20_000
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for have := int64(0); have < n; {
				have = done.Load()
				if have == 0 {
					continue
				}
				from, _, ok := s.points.floor(s, uint64(have-1), 1<<40)
				if !ok && s.points.list.Load() == nil {
					return // dropped
				}
				if from < segment.FileHeaderSize+(have-1)*pointSpacing {
					t.Errorf("the point of %d is missing", have-1)
					return
				}
			}
		})
	}
	for i := range int64(n) {
		s.points.add(s, uint64(i), 0, segment.FileHeaderSize+i*pointSpacing)
		done.Store(i + 1)
	}
	s.points.drop()
	wg.Wait()
}
