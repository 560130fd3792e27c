package conformance_test

import (
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/conformance"
)

// A test of your own store, for which a node in memory stands in here.
func ExampleRun() {
	_ = func(t *testing.T) {
		conformance.Run(t, func(t testing.TB, o conformance.Options) conformance.Instance {
			n, err := pipeproc.OpenMemory(&pipeproc.Options{MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, Workers: o.Workers, CloseGrace: o.CloseGrace, GC: o.GC})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { n.Close() })
			return conformance.Instance{Store: n}
		})
	}
}
