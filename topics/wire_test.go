package topics

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
)

// sent encodes a batch as it goes to another process.
func sent(t *testing.T, b *Batch) []byte {
	t.Helper()
	var bodies []byte
	head, err := b.AppendWire(nil, func(raw []byte) { bodies = append(bodies, raw...) })
	if err != nil {
		t.Fatal(err)
	}
	return append(head, bodies...)
}

func wireBatch(t *testing.T, r *rand.Rand) *Batch {
	t.Helper()
	b := new(Batch)
	b.Reset()
	for i := range r.IntN(200) {
		topic := fmt.Sprintf("t%d", r.IntN(5))
		var err error
		if topic == "t4" {
			err = b.AddWithID(topic, ID{Millis: 1000 + int64(i), Seq: uint64(2 * i)}, nil, nil, []byte("explicit"))
		} else {
			var key, headers []byte
			if r.IntN(3) == 0 {
				key, headers = []byte("key"), segment.AppendHeader(nil, "name", []byte("value"))
			}
			err = b.Add(topic, key, headers, make([]byte, r.IntN(2000)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if r.IntN(2) == 0 {
		if err := b.Expect("t1", 7); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestBatchWire sends batches and expects the same ones to arrive.
func TestBatchWire(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var got Batch
	for range 200 {
		b := wireBatch(t, r)
		p := sent(t, b)
		if err := got.ReadWire(p); err != nil {
			t.Fatal(err)
		}
		if got.Len() != b.Len() || got.Bytes() != b.Bytes() || got.largest != b.largest || len(got.slots) != len(b.slots) {
			t.Fatalf("%d records, %d bytes, became %d, %d", b.Len(), b.Bytes(), got.Len(), got.Bytes())
		}
		for i := range b.slots {
			x, y := &b.slots[i], &got.slots[i]
			if x.name != y.name || !bytes.Equal(x.raw, y.raw) || x.count != y.count || x.expect != y.expect || x.expects != y.expects || x.explicit != y.explicit || len(x.cuts) != len(y.cuts) {
				t.Fatalf("topic %q became %q", x.name, y.name)
			}
		}
		if again := sent(t, &got); !bytes.Equal(p, again) {
			t.Fatal("encoded again it differs")
		}
	}
}

// TestBatchWireHostile changes bytes of a batch: it is refused, or is a batch
// whose every record can be read.
func TestBatchWireHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var got Batch
	refused := 0
	for range 300 {
		p := sent(t, wireBatch(t, r))
		if len(p) == 0 {
			continue
		}
		q := slices.Clone(p)
		if r.IntN(4) == 0 {
			q = q[:r.IntN(len(q))]
		} else {
			q[r.IntN(min(len(q), 64))] ^= byte(1 << r.IntN(8))
		}
		if got.ReadWire(q) != nil {
			refused++
			continue
		}
		got.slots = got.slots[:len(got.slots)]
		for i := range got.slots {
			got.slots[i].prepare(segment.None, nil)
			for _, blk := range got.slots[i].blocks {
				rs := segment.NewRecords(blk.Header, blk.Body)
				var rec segment.Record
				for rs.Next(&rec) {
				}
				if rs.Err() != nil {
					t.Fatal(rs.Err())
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}
