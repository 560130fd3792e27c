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
// It promises that an acknowledged commit is durable as the SyncMode says
// (by default: on disk), that a batch is visible whole or not at all, that ids
// of a topic rise, and that bytes that were damaged on disk are reported and
// never returned as data. DESIGN.md lists the promises and the tests that hold
// them.
//
// It does not replicate, does not encrypt, and does not protect from a disk
// that acknowledges writes it has not done.
package pipeproc
