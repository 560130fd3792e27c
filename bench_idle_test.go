//go:build unix

package pipeproc_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
)

// cpuTime returns what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle reports the processor time that a node with 100 system procs
// uses in a second without work. An operation is a second.
func BenchmarkIdle(b *testing.B) {
	n := openBench(b, pipeproc.SyncNever)
	ctx := context.Background()
	for i := range 100 {
		_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: fmt.Sprint("p", i), From: []string{fmt.Sprint("t", i)},
			To: []string{"out"}, Processor: copier})
		if err != nil {
			b.Fatal(err)
		}
		feed(b, n, fmt.Sprint("t", i), 1)
	}
	if err := n.WaitForProcs(ctx); err != nil {
		b.Fatal(err)
	}
	debug.FreeOSMemory() // what earlier benchmarks left is not this one's
	b.ResetTimer()
	from := cpuTime(b)
	for range b.N {
		<-time.After(time.Second)
	}
	b.ReportMetric(float64(cpuTime(b)-from)/1e6/float64(b.N), "cpu-ms/s")
}
