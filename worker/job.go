package worker

import (
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Job says what to run over the records of a proc.
type Job struct {
	Proc  string
	Topic string    // read by the proc
	To    []string  // topics that Emit writes to; without any, what is emitted is ignored
	Count int       // most records per claim; 0: 1, negative: as many as the Source gives
	Lanes int       // parts of a claim, split by key, that run side by side; 0: 1
	Fn    Processor // called once per lane of a claim
}

// check fills in defaults and refuses a job that cannot run.
func (j Job) check() (*Job, error) {
	if err := record.CheckProcName(j.Proc); err != nil {
		return nil, err
	}
	if err := record.CheckName(j.Topic); err != nil {
		return nil, err
	}
	for _, topic := range j.To {
		if err := record.CheckName(topic); err != nil {
			return nil, err
		}
	}
	switch {
	case j.Fn == nil:
		return nil, errs.NoProcessor.With(fmt.Sprintf("the job of proc %q has no function", j.Proc))
	case j.Lanes < 0:
		return nil, errs.InvalidProcOptions.With(fmt.Sprintf("Lanes: %d is negative", j.Lanes))
	}
	j.To = slices.Clone(j.To)
	if j.Count == 0 {
		j.Count = 1
	}
	j.Lanes = max(j.Lanes, 1)
	return &j, nil
}
