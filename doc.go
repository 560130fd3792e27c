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
// Procs consume topics: a named, persisted position claims records and
// acknowledges them, alone or in one commit with the records they led to, so that a
// pipeline of system procs is exactly once in effect:
//
//	node.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "upper",
//		From: []string{"orders"}, To: []string{"loud"}, Processor: upper})
//
// It promises that an acknowledged commit is as durable as the SyncMode says (by
// default: on disk), that a batch is visible whole or not at all, that the ids of a
// topic rise, that bytes damaged on disk are reported and never returned as data, and
// that an acknowledgement and the records committed with it are both there or neither is.
// DESIGN.md lists the promises and the tests that check them.
//
// It does not replicate, does not encrypt, and does not protect against a disk that
// acknowledges writes it has not done.
package pipeproc
