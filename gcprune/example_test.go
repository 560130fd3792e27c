package gcprune_test

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/record"
)

// A proc has claimed the records of a topic in pairs, [0,1] [2,3] [4,5], and
// acknowledged them all. What comes before the claim that precedes its latest
// one may go.
func ExampleDecide() {
	topic := gcprune.Topic{
		Name: "orders", First: 0, Next: 6,
		Procs: []gcprune.Proc{{
			Name:  "billing",
			Acked: 6,
			Previous: record.Range{
				First: record.ID{Millis: 1_700_000_000_020, Seq: 2},
				Last:  record.ID{Millis: 1_700_000_000_030, Seq: 3},
				Count: 2,
			},
		}},
	}
	rules := gcprune.Policy{GC: gcprune.On, MinAge: time.Second}.Resolve(gcprune.Settings{})

	for _, now := range []int64{1_700_000_000_050, 1_700_000_002_000} {
		mark, err := gcprune.Decide(topic, rules, now)
		fmt.Println("keep from", mark.First, "reason", mark.Reason, err)
	}
	// Output:
	// keep from 0 reason none <nil>
	// keep from 2 reason acknowledged <nil>
}
