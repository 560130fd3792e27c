// Package pipeproc is an embeddable, append-only, segmented log engine: topics
// of immutable records with ids {milliseconds}-{sequence}, batches that are
// atomic across topics, and reads by id, time and sequence, in the process of
// the application that imports it.
//
//	node, err := pipeproc.Open("data", nil)
//	…
//	ids, err := node.Commit(ctx, pipeproc.Record{Topic: "orders", Body: []byte("…")})
//	…
//	for rec, err := range node.Range(ctx, "orders", pipeproc.RangeOptions{Limit: 10}) {
//		…
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
