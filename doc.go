// Package pipeproc is an embeddable, append-only log engine with stream processing
// on top. A program opens a directory as a [Node], commits records to named topics,
// reads them by sequence, id or time, and runs processors over them. Everything
// happens in the program's own process.
//
// A topic is a sequence of immutable [Record] values. Each gets an [ID] of the time
// of its commit and its sequence in the topic, counted from 0. A topic is created by
// its first record.
//
//	node, err := pipeproc.Open("data", nil)
//	if err != nil {
//		return err
//	}
//	defer node.Close()
//
//	ids, err := node.Commit(ctx,
//		pipeproc.Record{Topic: "orders", Key: []byte("alice"), Body: []byte("two teas")},
//		pipeproc.Record{Topic: "audit", Body: []byte("order placed")})
//	if err != nil {
//		return err
//	}
//	for rec, err := range node.Range(ctx, "orders", pipeproc.RangeOptions{Start: pipeproc.AtSeq(ids[0].Seq)}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(rec.ID, string(rec.Body))
//	}
//
// # Promises
//
//   - A commit that was acknowledged is as durable as the [SyncMode] says; by
//     default it is on disk. A killed process loses nothing acknowledged in any mode.
//   - A batch is visible whole or not at all, in all its topics, to every reader and
//     after every crash.
//   - The ids of a topic rise, in time and in sequence, even if the clock is set back.
//   - An acknowledgement and the records committed with it are both there or both
//     missing. So each stage of a pipeline takes effect exactly once.
//   - Bytes that were damaged on disk are reported as a [*CorruptError] and never
//     returned as data. What is not damaged can still be read.
//
// DESIGN.md numbers all promises and names the test that fails if one is broken.
//
// # What it does not promise
//
// There is no replication, no encryption, and no protection from a disk that
// acknowledges a sync which it has not done. One process at a time opens a
// directory; package [github.com/pipeproc/pipeproc/rpc] lets others use its node.
// What a processor does outside the store may happen twice.
//
// # Which one do I want
//
// To read:
//
//   - Records that exist now, once: [Node.Range]. [Node.Get] reads a single one.
//   - The same without a copy or an allocation per record: [Node.Cursor].
//   - Records that exist and then those to come, with a position that you keep
//     yourself: [Node.Follow], or a Cursor with [Cursor.Wait] to avoid copies.
//   - Several topics as of one moment: [Node.View], then [View.Range].
//
// To process each record, with a position that the store keeps:
//
//   - In a loop of your own, which decides when to claim and when to acknowledge:
//     a proc, [Node.Claim] and then [Node.Ack], [Node.AckCommit] or [Node.Reclaim].
//   - In a loop that wakes up when there is something, for notifications and caches,
//     by default from now on and only while the program runs: a live proc,
//     [Node.OpenLiveProc] and then [LiveProc.Claims].
//   - In a function that the node calls, with retries and with output to other topics:
//     a system proc, [Node.DefineSystemProc]. This is the stage of a pipeline, and the
//     right choice unless there is a reason for another; a stage that keeps a running
//     value is one, too, see State. Stages run side by side; one stage has one claim at
//     a time, so without Lanes its function is not called again before it has returned,
//     unless it ignores the end of its context.
//
// # Procs, claims and retrying
//
// A proc is a named position in a topic, kept in the store. It claims the next
// records and is given nothing else until the claim is acknowledged or given back.
// Records are delivered at least once; an acknowledgement carries the claim's [Token],
// so that a consumer which was too slow cannot acknowledge the claim of another. An
// acknowledgement with records ([Node.AckCommit]) makes the effect in the store exactly
// once.
//
// A claim fails when it is given back ([Node.Reclaim]), when a processor returns an
// error or panics, and when RetryPolicy.ReclaimTimeout passes. It fails as a whole and
// is delivered again as a whole, after a wait that doubles from Backoff to MaxBackoff.
// After MaxReclaims failures OnMaxReclaims decides: [StrategyDisable] stops the proc
// until [Node.ResumeProc], [StrategyContinue] tries for ever, [StrategyDeadLetter] moves
// all records of the claim to another topic and the proc goes on. A bad record takes
// only itself there if Count is 1. Until then the proc stands still, so MaxReclaims and
// Backoff bound how long one bad record holds up the others. Dead letters keep key, headers and body and get the
// headers [HeaderDeadTopic], [HeaderDeadID], [HeaderDeadProc], [HeaderDeadAttempts] and
// [HeaderDeadReason]. Closing the node gives the claims of system procs back without
// counting a failure; other claims stay open over a restart, until their timeout.
//
// # Typed access
//
// A [Codec] turns values into bodies and back; [JSON] is one. [CommitValues] and
// [AddValue] write, [Values] reads a range, and [EachValue] makes a processor of a
// function from one type to another. This program takes in orders, has two stages and
// dead letters, and can be stopped and started at any moment:
//
//	type Order struct{ Item string; N, Cents int }
//	type Priced struct{ Order; Total int }
//
//	func run(ctx context.Context, in <-chan Order) error {
//		node, err := pipeproc.Open("data", nil)
//		if err != nil {
//			return err
//		}
//		defer node.Close() // stops the processors; they go on here at the next start
//
//		price := func(ctx context.Context, v pipeproc.Value[Order]) ([]Priced, error) {
//			if v.Value.N <= 0 {
//				return nil, fmt.Errorf("%d of %q", v.Value.N, v.Value.Item)
//			}
//			return []Priced{{v.Value, v.Value.N * v.Value.Cents}}, nil
//		}
//		bill := func(ctx context.Context, v pipeproc.Value[Priced]) ([]string, error) {
//			return []string{fmt.Sprintf("%s: %d", v.Value.Item, v.Value.Total)}, nil
//		}
//		orders, priced, text := pipeproc.JSON[Order](), pipeproc.JSON[Priced](), pipeproc.JSON[string]()
//		for _, stage := range []pipeproc.SystemProcOptions{
//			{Name: "price", From: []string{"orders"}, To: []string{"priced"}, Processor: pipeproc.EachValue(orders, priced, price),
//				Retry: pipeproc.RetryPolicy{MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter}}, // to orders__dead
//			{Name: "bill", From: []string{"priced"}, To: []string{"bills"}, Processor: pipeproc.EachValue(priced, text, bill)},
//		} {
//			if _, err := node.DefineSystemProc(ctx, stage); err != nil {
//				return err
//			}
//		}
//		for o := range in {
//			if _, err := pipeproc.CommitValues(ctx, node, orders, "orders", o); err != nil {
//				return err
//			}
//		}
//		if err := node.WaitForProcs(ctx); err != nil { // the stages are done, or disabled
//			return err
//		}
//		lately := pipeproc.RangeOptions{Start: pipeproc.AtTime(time.Now().Add(-time.Hour))}
//		for v, err := range pipeproc.Values(ctx, node, text, "bills", lately) {
//			if err != nil {
//				return err
//			}
//			fmt.Println(v.ID.Time(), v.Value)
//		}
//		return nil
//	}
//
// The definitions of system procs are kept in the store, their Go functions are not:
// each start of the program defines them again, or gives the functions to Open in
// Options.Processors. A topic without a record does not exist yet, so reading it fails
// with ErrInvalidTopic.
//
// # State
//
// Exactly once covers what is in the store, not the variables of a processor: a call whose
// commit fails has changed them all the same, and at the next start they are gone. A stage
// that keeps a running value, a sum or a join, emits it to a topic and reads it back:
// before each call it brings its variables up to date from that topic ([Values] or Range
// with AtID of the last one and Exclusive), and changes nothing but what it emits. It sees
// the output of all earlier claims, and not that of this one. examples/orders does so.
//
// # Errors
//
// Test for the errors of this package with errors.Is, such as errors.Is(err,
// pipeproc.ErrInvalidTopic); their text may say more. Four have fields, for errors.As:
// [*CorruptError], [*ConflictError], [*PrunedError], [*LockedError]. [Code] returns a
// stable word for logs and protocols. A method whose context ends returns the context's
// cause. After [ErrLogFailed] or [ErrOutcomeUnknown] close the node and open it again;
// after [ErrNoSpace], [ErrDiskLimit] and [ErrOverloaded] nothing was committed, and the
// same call may succeed later. Iterators yield an error in place of a record.
//
// # Compatibility
//
// The version of the module covers this package, rpc, worker/program and record, and
// the types of other packages that their exported signatures name. Everything else is
// an implementation detail and may change in any release.
package pipeproc
