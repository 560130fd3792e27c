package behaviour_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func collect(t *testing.T, n *pipeproc.Node, topic string, o pipeproc.RangeOptions, rev bool) []string {
	t.Helper()
	var out []string
	o.Reverse = rev
	for r, err := range n.Range(context.Background(), topic, o) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d:%s", r.ID.Seq, r.Body))
	}
	return out
}

func TestCommitReopenRange(t *testing.T) {
	for _, mode := range []pipeproc.SyncMode{pipeproc.SyncAlways, pipeproc.SyncNever, pipeproc.SyncInterval(time.Millisecond)} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			dir := t.TempDir()
			o := &pipeproc.Options{Sync: mode, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
			ctx := context.Background()
			want := 0
			for round := range 4 {
				n, err := pipeproc.Open(dir, o)
				if err != nil {
					t.Fatal(err)
				}
				if len(n.Recovery().Damage) > 0 {
					t.Fatal(n.Recovery().Damage)
				}
				for i := range 50 {
					var recs []pipeproc.Record
					for j := range 20 {
						recs = append(recs, pipeproc.Record{Topic: "a", Body: fmt.Appendf(nil, "r%d-%d-%d-%0100d", round, i, j, j)})
					}
					ids, err := n.Commit(ctx, recs...)
					if err != nil {
						t.Fatal(err)
					}
					if ids[0].Seq != uint64(want) {
						t.Fatalf("seq %d want %d", ids[0].Seq, want)
					}
					want += 20
				}
				got := collect(t, n, "a", pipeproc.RangeOptions{}, false)
				if len(got) != want {
					t.Fatalf("round %d: %d records, want %d", round, len(got), want)
				}
				rev := collect(t, n, "a", pipeproc.RangeOptions{}, true)
				if len(rev) != want {
					t.Fatalf("reverse %d", len(rev))
				}
				for i := range rev {
					if rev[i] != got[len(got)-1-i] {
						t.Fatalf("reverse differs at %d: %s %s", i, rev[i], got[len(got)-1-i])
					}
				}
				for s := 0; s < want; s += 37 {
					r, err := n.Get(ctx, "a", uint64(s))
					if err != nil {
						t.Fatal(err)
					}
					if fmt.Sprintf("%d:%s", s, r.Body) != got[s] {
						t.Fatal("get differs")
					}
				}
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
