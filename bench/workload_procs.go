package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

func init() {
	groups = append(groups, func(params) []*workload {
		own := []string{"pipeproc"}
		var list []*workload
		for _, commit := range []bool{false, true} {
			for _, count := range []int{1, 10, 100} {
				w := &workload{name: "claim+ack", variant: fmt.Sprint("count ", count), size: 128, n: 100_000, batch: count,
					what: "records of a proc claimed and acknowledged, not synced", full: own,
					run: func(j *job) error { return claims(j, commit) }}
				if count > 1 {
					w.n = 500_000
				}
				if commit {
					w.name, w.what = "claim+ackCommit", "claimed, and acknowledged with as many new records"
					if count > 1 {
						w.quick, w.full = own, nil
					}
				}
				list = append(list, w)
			}
		}
		return list
	})
}

// claims takes all records of a topic through one proc.
func claims(j *job, commit bool) error {
	s, err := openPipeproc(j.config())
	if err != nil {
		return err
	}
	defer s.Close()
	if err := (fill{n: j.n, size: j.w.size}).write(s); err != nil {
		return err
	}
	ctx := context.Background()
	if err := s.n.Checkpoint(ctx); err != nil {
		return err
	}
	o := pipeproc.ProcOptions{Name: "p", Topic: s.names[0], Count: j.w.batch}
	if _, err := s.n.EnsureProc(ctx, o); err != nil {
		return err
	}
	j.start()
	for left := j.n; left > 0; {
		from := time.Now()
		c, err := s.n.Claim(ctx, o)
		if err != nil {
			return err
		}
		if c.Empty() {
			return fmt.Errorf("nothing to claim, %d records before the end", left)
		}
		if commit {
			s.batch.Reset()
			for i := range c.Records {
				_ = s.batch.Add("out", c.Records[i].Body)
			}
			_, err = s.n.AckCommitBatch(ctx, "p", c.Token, &s.batch)
		} else {
			_, err = s.n.Ack(ctx, "p", c.Token)
		}
		if err != nil {
			return err
		}
		j.took = append(j.took, int64(time.Since(from)))
		left -= len(c.Records)
	}
	j.stop(j.n)
	return nil
}
