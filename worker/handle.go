package worker

import (
	"context"

	"github.com/pipeproc/pipeproc/record"
)

// Handle calls fn with the records of c, as a Pool does for a claim without
// lanes. It then calls emit with each emitted record, in order; topic is empty
// for records that go to all output topics of the proc. The arguments of emit
// are valid until it returns. A panic and runtime.Goexit are errors. Handle is
// for processes that run processors on behalf of a pool in another process.
func Handle(ctx context.Context, c *Task, fn Processor, emit func(topic string, rec record.Record)) error {
	w := &Work{job: &Job{Proc: c.Proc, Topic: c.Topic}, claim: c, records: c.Records, each: emit}
	done := make(chan error, 1)
	go func() {
		err := errGoexit // unless invoke returns
		defer func() { done <- err }()
		err = invoke(ctx, fn, w)
	}()
	return <-done
}
