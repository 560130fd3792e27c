package pipeproc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/pipeproc/pipeproc"
)

// A proc is a named position in a topic. It claims records, and acknowledges
// them or gives them back.
func ExampleNode_Claim() {
	ctx := context.Background()
	node, err := pipeproc.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	for _, s := range []string{"one", "two", "three"} {
		if _, err := node.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte(s)}); err != nil {
			log.Fatal(err)
		}
	}
	for {
		c, err := node.Claim(ctx, pipeproc.ProcOptions{Name: "reader", Topic: "in", Count: 2})
		if err != nil {
			log.Fatal(err)
		}
		if c.Empty() {
			break
		}
		for _, rec := range c.Records {
			fmt.Println(string(rec.Body))
		}
		if _, err := node.Ack(ctx, c.Proc, c.Token); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// one
	// two
	// three
}

// The acknowledgement and the new records are one commit: both or neither,
// whatever crashes. A claim that was lost acknowledges nothing.
func ExampleNode_AckCommit() {
	ctx := context.Background()
	node, err := pipeproc.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if _, err := node.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte("tea")}); err != nil {
		log.Fatal(err)
	}
	first, err := node.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "in"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := node.Reclaim(ctx, "p", first.Token, "too slow"); err != nil {
		log.Fatal(err)
	}
	again, err := node.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "in"})
	if err != nil {
		log.Fatal(err)
	}
	out := pipeproc.Record{Topic: "out", Body: bytes.ToUpper(again.Records[0].Body)}
	_, _, err = node.AckCommit(ctx, "p", first.Token, out)
	fmt.Println(errors.Is(err, pipeproc.ErrClaimLost))
	_, ids, err := node.AckCommit(ctx, "p", again.Token, out)
	fmt.Println(len(ids), err)
	// Output:
	// true
	// 1 <nil>
}

// A system proc runs a processor over topics. What it emits and the
// acknowledgement of what it was given are one commit.
func ExampleNode_DefineSystemProc() {
	ctx := context.Background()
	node, err := pipeproc.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	upper := pipeproc.Each(func(ctx context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
		w.Emit(bytes.ToUpper(rec.Body))
		return nil
	})
	_, err = node.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "upper", From: []string{"in"}, To: []string{"out"}, Count: 100, Processor: upper})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range []string{"tea", "milk"} {
		if _, err := node.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte(s)}); err != nil {
			log.Fatal(err)
		}
	}
	if err := node.WaitForProcs(ctx); err != nil {
		log.Fatal(err)
	}
	for rec, err := range node.Range(ctx, "out", pipeproc.RangeOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(rec.Body))
	}
	// Output:
	// TEA
	// MILK
}

// A live proc reacts to a topic as it grows.
func ExampleNode_OpenLiveProc() {
	ctx := context.Background()
	node, err := pipeproc.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	live, err := node.OpenLiveProc(ctx, pipeproc.LiveOptions{Topic: "events", Count: 10})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if _, err := node.Commit(ctx, pipeproc.Record{Topic: "events", Body: []byte("hello")}); err != nil {
			log.Print(err)
		}
	}()
	for c, err := range live.Claims(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(c.Records[0].Body))
		if _, err := live.Ack(ctx); err != nil {
			log.Fatal(err)
		}
		if err := live.Cancel(ctx); err != nil { // ends the loop
			log.Fatal(err)
		}
	}
	// Output:
	// hello
}
