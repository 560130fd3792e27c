package pipeproc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/pipeproc/pipeproc"
)

// open opens a node in a temporary directory, for the examples.
func open() (*pipeproc.Node, func()) {
	dir, err := os.MkdirTemp("", "pipeproc-example-")
	if err != nil {
		log.Fatal(err)
	}
	node, err := pipeproc.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	return node, func() {
		if err := node.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

func Example() {
	node, done := open()
	defer done()
	ctx := context.Background()

	ids, err := node.Commit(ctx,
		pipeproc.Record{Topic: "orders", Body: []byte("two teas")},
		pipeproc.Record{Topic: "orders", Body: []byte("one coffee")},
		pipeproc.Record{Topic: "audit", Body: []byte("two orders")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sequences", ids[0].Seq, ids[1].Seq, ids[2].Seq)
	fmt.Println("one time for the batch:", ids[0].Millis == ids[2].Millis)

	for rec, err := range node.Range(ctx, "orders", pipeproc.RangeOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", rec.ID.Seq, rec.Body)
	}
	// Output:
	// sequences 0 1 0
	// one time for the batch: true
	// 0 two teas
	// 1 one coffee
}

// A batch that is used again keeps its memory: committing allocates nothing
// per record.
func ExampleBatch() {
	node, done := open()
	defer done()
	ctx := context.Background()

	var b pipeproc.Batch
	for round := range 3 {
		b.Reset()
		for i := range 100 {
			_ = b.Add("numbers", fmt.Appendf(nil, "%d", 100*round+i)) // an error comes back from the commit, too
		}
		if err := node.CommitBatch(ctx, &b); err != nil {
			log.Fatal(err)
		}
	}
	n, err := node.Length(ctx, "numbers")
	fmt.Println(n, err)
	// Output: 300 <nil>
}

// A conditional commit goes through only if nobody else has committed to the
// topic meanwhile.
func ExampleBatch_Expect() {
	node, done := open()
	defer done()
	ctx := context.Background()

	var b pipeproc.Batch
	_ = b.Expect("ledger", 0)
	_ = b.Add("ledger", []byte("opening balance"))
	fmt.Println(node.CommitBatch(ctx, &b))

	err := node.CommitBatch(ctx, &b) // the topic is at sequence 1 now
	conflict := &pipeproc.ConflictError{}
	if errors.As(err, &conflict) {
		fmt.Println("expected", conflict.Expect, "found", conflict.Next)
	}
	// Output:
	// <nil>
	// expected 0 found 1
}

// A cursor lends the bytes of each record instead of copying them.
func ExampleNode_Cursor() {
	node, done := open()
	defer done()
	ctx := context.Background()
	if _, err := node.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("a")}, pipeproc.Record{Topic: "t", Body: []byte("bb")}); err != nil {
		log.Fatal(err)
	}

	c, err := node.Cursor(ctx, "t", pipeproc.RangeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	total := 0
	for c.Next() {
		total += len(c.Body())
	}
	fmt.Println(total, c.Err())
	// Output: 3 <nil>
}

// A cursor can also follow a topic as it grows.
func ExampleCursor_Wait() {
	node, done := open()
	defer done()
	ctx := context.Background()
	commit := func(body string) {
		if _, err := node.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte(body)}); err != nil {
			log.Fatal(err)
		}
	}
	commit("a")
	go commit("bb")

	c, err := node.Cursor(ctx, "t", pipeproc.RangeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for total := 0; ; {
		for c.Next() {
			total += len(c.Body())
			fmt.Println(total)
		}
		if total == 3 {
			break
		}
		if err := errors.Join(c.Err(), c.Wait(ctx)); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1
	// 3
}

// A reverse range starts at the newest record.
func ExampleNode_Range_reverse() {
	node, done := open()
	defer done()
	ctx := context.Background()
	for _, s := range []string{"first", "second", "third"} {
		if _, err := node.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte(s)}); err != nil {
			log.Fatal(err)
		}
	}
	for rec, err := range node.Range(ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(1), Limit: 2, Reverse: true}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", rec.ID.Seq, rec.Body)
	}
	// Output:
	// 1 second
	// 0 first
}

// Follow delivers what is there, and then what is committed, without polling.
func ExampleNode_Follow() {
	node, done := open()
	defer done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	go func() {
		for i := range 3 {
			if _, err := node.Commit(ctx, pipeproc.Record{Topic: "t", Body: fmt.Append(nil, "record ", i)}); err != nil {
				log.Print(err)
			}
		}
	}()
	for rec, err := range node.Follow(ctx, "t", 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(rec.Body))
		if rec.ID.Seq == 2 {
			break
		}
	}
	// Output:
	// record 0
	// record 1
	// record 2
}

// A view shows many topics at one moment.
func ExampleNode_View() {
	node, done := open()
	defer done()
	ctx := context.Background()
	both := []pipeproc.Record{{Topic: "a", Body: []byte("1")}, {Topic: "b", Body: []byte("1")}}
	if _, err := node.Commit(ctx, both...); err != nil {
		log.Fatal(err)
	}
	v, err := node.View(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := node.Commit(ctx, both...); err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.End("a"), v.End("b"))
	// Output: 1 1
}

// An application that needs less than durability on every commit says so.
func ExampleSyncInterval() {
	o := &pipeproc.Options{Sync: pipeproc.SyncInterval(50_000_000)} // 50 ms
	node, err := pipeproc.OpenMemory(o)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	b := pipeproc.Batch{Durability: pipeproc.Durable} // but this one matters
	_ = b.Add("payments", []byte("42.00"))
	fmt.Println(node.CommitBatch(context.Background(), &b))
	// Output: <nil>
}
