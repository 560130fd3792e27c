package topics

import "testing"

// TestFine demands that the last snapshot lists all positions, as far as it may
// have.
func TestFine(t *testing.T) {
	c := &Checkpoint{Topics: make([]Captured, 3)}
	for i, end := range []int64{finePositions / 2, finePositions, finePositions / 4} {
		c.Topics[i].spacing = coarseSpacing
		c.Topics[i].last.end = end
	}
	c.fine()
	for i, want := range []int64{pointSpacing, coarseSpacing, pointSpacing} {
		if got := c.Topics[i].spacing; got != want {
			t.Errorf("topic %d has a position every %d bytes, not %d", i, got, want)
		}
	}
}
