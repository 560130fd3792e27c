package topics

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestSlots adds records of few and of many topics, in turn and at random, to a
// reused batch. Each must go to the slot of its topic, and each topic has one slot.
func TestSlots(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b Batch
	for round := range 300 {
		b.Reset()
		names := make([]string, 1+rng.IntN(2*maxLinear))
		for i, k := range rng.Perm(2 * maxLinear)[:len(names)] {
			names[i] = fmt.Sprint("topic", k) // of one length and others
		}
		var want []string
		for i := range 3 * len(names) {
			name := names[i%len(names)]
			if round%2 == 0 {
				name = names[rng.IntN(len(names))]
			}
			if err := b.Add(name, nil, nil, []byte(name)); err != nil {
				t.Fatal(err)
			}
			want = append(want, name)
		}
		seen := map[string]bool{}
		for i := range b.slots {
			if s := &b.slots[i]; seen[s.name] {
				t.Fatalf("round %d: topic %q has two slots", round, s.name)
			} else {
				seen[s.name] = true
			}
		}
		for i, name := range want {
			if got := b.slots[b.order[i]].name; got != name {
				t.Fatalf("round %d: record %d of topic %q is in the slot of %q", round, i, name, got)
			}
		}
	}
}
