// Package conformance holds the tests that every implementation of
// pipeproc.Store passes: what can be seen of the engine and of its procs through
// that interface, whether the store is in the same process, in memory, or at the
// other end of a connection.
//
// A package that implements pipeproc.Store, or wraps one, runs it like this:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(t testing.TB, o conformance.Options) conformance.Instance {
//			s := open(t, o) // a new, empty store
//			t.Cleanup(func() { s.Close() })
//			return conformance.Instance{Store: s}
//		})
//	}
//
// Run needs an empty store for each test, which nothing else uses. RunPersistent
// is for stores that keep their records when they are closed; it needs a way to
// start them again.
//
// Both return the number of tests that they ran, which depends only on the
// version of this package (and on the flag -run): no test is skipped for an
// implementation, and none checks which implementation it runs on.
//
// # What it promises
//
// The tests use the methods of pipeproc.Store only, and real time. Each states
// the expected outcome and waits for it as long as a slow machine may need; none
// fails because something took long. Errors are compared by errors.Is with the
// errors of package pipeproc and by pipeproc.Code. The tests run in parallel
// with each other.
//
// # What it does not hold
//
// Anything that needs a clock that the test sets, a disk that fails or a process
// that is killed: power cuts, exact timeouts and backoffs, damage. The tests module
// of this repository covers those for its own node.
//
// The version of the module does not cover this package.
package conformance

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Options are what a test requires of its store. Zero values are the defaults
// of pipeproc.Options.
type Options struct {
	// MaxBody and MaxBatch bound records and batches.
	MaxBody, MaxBatch int
	// Workers is how many processors run at once for one client.
	Workers int
	// CloseGrace is how long Close waits for processors that run.
	CloseGrace time.Duration
	// GC makes the store collect by itself.
	GC *pipeproc.GCOptions
}

// Instance is the store of one test.
type Instance struct {
	Store pipeproc.Store
	// Another gives a second client of the same store. A store that has only one,
	// such as a node in the same process, leaves it nil: the test then uses Store
	// for both.
	Another func() pipeproc.Store
	// Restart closes the store and all its clients, starts it again from what it
	// kept, and returns a client of it. Run does not need it.
	Restart func() pipeproc.Store
}

// Factory makes a new, empty store for one test. It stops the test if it cannot,
// and registers with t the cleanup of what it opened. Tests may already have
// closed Store by then.
type Factory func(t testing.TB, o Options) Instance

// test is one test of the suite.
type test struct {
	name string
	o    Options
	run  func(l *lab)
}

// theme is a group of tests.
type theme struct {
	name  string
	tests [][]test
}

// Run runs the suite. When all tests are done it returns the number that ran.
func Run(t *testing.T, open Factory) int {
	t.Helper()
	return run(t, open, []theme{
		{"Commit", [][]test{commitTests, batchTests}},
		{"Topics", [][]test{topicTests}},
		{"Range", [][]test{rangeTests, rangeBoundTests(), rangeErrorTests()}},
		{"Read", [][]test{readTests, followTests}},
		{"Proc", [][]test{procTests, procOptionTests, procClaimTests, procOffsetTests()}},
		{"Ack", [][]test{ackTests, tokenTests}},
		{"Reclaim", [][]test{reclaimTests, timeoutTests, deadLetterTests}},
		{"Admin", [][]test{procAdminTests, seekTests, skippedTests, deletedTopicTests}},
		{"Available", [][]test{availableTests}},
		{"SystemProc", [][]test{defineTests, defineOptionTests, differTests(), runTests, failureTests, laneTests, destroyTests}},
		{"Live", [][]test{liveTests, changesTests}},
		{"Wait", [][]test{waitTests, workTests}},
		{"GC", [][]test{gcTests, retentionTests}},
		{"Limits", [][]test{limitTests}},
		{"Errors", [][]test{errorTests, closedTests()}},
		{"Edges", [][]test{edgeTests}},
		{"Concurrent", [][]test{concurrentTests}},
		{"Clients", [][]test{clientTests}},
		{"Original", originalTests()},
	})
}

// RunPersistent runs the tests of what a store keeps when it is closed and
// started again. They need the Instance's Restart. It returns the number of
// tests that ran.
func RunPersistent(t *testing.T, open Factory) int {
	t.Helper()
	return run(t, open, []theme{
		{"Restart", [][]test{restartTests, restartProcTests, restartSystemTests}},
	})
}

func run(t *testing.T, open Factory, themes []theme) int {
	t.Helper()
	var ran atomic.Int64
	for _, th := range themes {
		t.Run(th.name, func(t *testing.T) { // returns when its parallel tests are done
			for _, list := range th.tests {
				for _, c := range list {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						ran.Add(1)
						c.run(newLab(t, open, c.o))
					})
				}
			}
		})
	}
	return int(ran.Load())
}
