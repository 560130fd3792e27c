package model

import (
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestVerifyPrunedGap imports records with a gap, and prunes the topic to a record
// after the gap, within a segment: what was pruned there is not damage.
func TestVerifyPrunedGap(t *testing.T) {
	b := newBench(t)
	var recs []rec
	for _, seq := range []uint64{3, 4, 10, 11, 20, 21} {
		recs = append(recs, rec{id: pipeproc.ID{Millis: b.clock.ms.Load(), Seq: seq}, body: make([]byte, 9<<10)})
	}
	_, err := b.node.Import(bg, "a", importSeq(recs), nil)
	b.must(err)
	for _, first := range []uint64{0, 4, 7, 10, 11, 15, 20, 21, 22} {
		b.must(b.node.Prune(bg, "a", first))
		b.must(b.node.Checkpoint(bg))
		r, err := b.node.Verify(bg, nil)
		if err != nil || len(r.Damage) > 0 {
			t.Errorf("pruned to %d: %v, %v", first, r, err)
		}
		i := slices.IndexFunc(recs, func(r rec) bool { return r.id.Seq >= first })
		if i < 0 {
			i = len(recs)
		}
		if err := sameSeq(b.node.Range(bg, "a", pipeproc.RangeOptions{}), "a", recs[i:]); err != nil {
			t.Errorf("pruned to %d: %v", first, err)
		}
	}
}
