package behaviour_test

import (
	"testing"

	"github.com/pipeproc/pipeproc"
)

func TestPoolOptionsAreNamed(t *testing.T) {
	for _, c := range []struct {
		code, says string
		o          pipeproc.Options
	}{
		{"invalid_options", "Workers", pipeproc.Options{Workers: -1}},
		{"invalid_options", "CloseGrace", pipeproc.Options{CloseGrace: -1}},
		{"invalid_options", "GC.Interval", pipeproc.Options{GC: &pipeproc.GCOptions{Interval: -1}}},
		{"invalid_options", "MinAge", pipeproc.Options{GC: &pipeproc.GCOptions{MinAge: -1}}},
		{"invalid_options", "MinAge", pipeproc.Options{GC: &pipeproc.GCOptions{MinAge: 1 << 62}}},
		{"no_valid_processor_provided", "", pipeproc.Options{Processors: map[string]pipeproc.Processor{"p": nil}}},
	} {
		n, err := pipeproc.OpenMemory(&c.o)
		if err == nil {
			_ = n.Close()
		}
		wantCode(t, err, c.code, c.says)
	}
}
