package worker

import (
	"fmt"
	"testing"
	"time"
)

// perClaim bounds the allocations of one claim: its context and the timer of
// that.
const perClaim = 6

// TestAllocations: what is allocated does not depend on the number of records.
// Goroutines of lanes cost one or two each.
func TestAllocations(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates by itself; the run without it counts")
	}
	for _, lanes := range []int{1, 4} {
		for _, count := range []int{1, 10, 1000} {
			t.Run(fmt.Sprintf("%d records in %d lanes", count, lanes), func(t *testing.T) {
				p, l := spin(t, 3, count, lanes, time.Minute)
				defer closePool(t, p)
				const claims = 100
				got := testing.AllocsPerRun(20, func() { l.run(claims) }) / claims
				limit := float64(perClaim)
				if lanes > 1 {
					limit += 2 * float64(lanes)
				}
				t.Logf("%.2f allocations per claim", got)
				if got > limit {
					t.Errorf("%.2f allocations per claim, more than %.0f", got, limit)
				}
			})
		}
	}
}

// TestTrim: memory for much output is not kept.
func TestTrim(t *testing.T) {
	w := new(worker)
	much := make([]byte, 2*keepBytes)
	for _, body := range [][]byte{make([]byte, 100), much} {
		w.lanes.split(nil, 2)[1].out.add("x", nil, nil, body)
		w.out.Reset()
		if err := w.out.Add("x", nil, nil, body); err != nil {
			t.Fatal(err)
		}
		w.trim()
		kept := w.out.Bytes() > 0
		if h := w.lanes.list[1].out.bytes != nil; h != kept || kept == (len(body) == len(much)) {
			t.Errorf("%d bytes: batch kept %v, lane %v", len(body), kept, h)
		}
	}
}
