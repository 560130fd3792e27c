package linear

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
)

// TestRejects: the check can fail. Histories are changed in ways that a broken node
// would show.
func TestRejects(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	good := record(t, 1, 2000, n)
	for name, spoil := range map[string]func(in input, out *output) bool{
		"an acknowledgement of a lost claim goes through": func(in input, out *output) bool {
			if in.kind != ack || out.code != "claim_lost" {
				return false
			}
			*out = output{n: 1}
			return true
		},
		"a claim is given twice": func(in input, out *output) bool {
			if in.kind != claim || out.n == 0 {
				return false
			}
			out.first++
			return true
		},
		"a record of an acknowledgement is not seen": func(in input, out *output) bool {
			if in.kind != outLength || out.seq < 3 {
				return false
			}
			out.seq -= 3
			return true
		},
		"a disabled proc is active": func(in input, out *output) bool {
			if in.kind != inspect || !out.disabled {
				return false
			}
			out.disabled = false
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := len(good) / 2; i < len(good); i++ {
				bad := slices.Clone(good)
				out := bad[i].Output.(output)
				if !spoil(bad[i].Input.(input), &out) {
					continue
				}
				bad[i].Output = out
				if !porcupine.CheckOperations(model, bad) {
					return
				}
			}
			t.Error("no such change was noticed")
		})
	}
}
