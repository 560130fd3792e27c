package pipeproc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

type order struct {
	Item string
	N    int
}

type bill struct{ Text string }

// Values in place of bodies: JSON in, a stage from orders to bills, JSON out.
func ExampleEachValue() {
	node, done := open()
	defer done()
	ctx := context.Background()
	orders, bills := pipeproc.JSON[order](), pipeproc.JSON[bill]()

	_, err := node.DefineSystemProc(ctx, pipeproc.SystemProcOptions{
		Name: "billing", From: []string{"orders"}, To: []string{"bills"}, Count: 100,
		Processor: pipeproc.EachValue(orders, bills, func(_ context.Context, o pipeproc.Value[order]) ([]bill, error) {
			return []bill{{fmt.Sprintf("%d x %s", o.Value.N, o.Value.Item)}}, nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := pipeproc.CommitValues(ctx, node, orders, "orders", order{"tea", 2}, order{"cake", 1}); err != nil {
		log.Fatal(err)
	}
	if err := node.WaitForProcs(ctx); err != nil {
		log.Fatal(err)
	}
	for b, err := range pipeproc.Values(ctx, node, bills, "bills", pipeproc.RangeOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(b.ID.Seq, b.Value.Text)
	}
	// Output:
	// 0 2 x tea
	// 1 1 x cake
}

// A body that is no value is an error that comes with its record, and the loop may
// go on.
func TestValuesBad(t *testing.T) {
	node, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	ctx, c := t.Context(), pipeproc.JSON[order]()
	if _, err := pipeproc.CommitValues(ctx, node, c, "t", order{"a", 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeproc.CommitValues(ctx, node, c, "t", order{"b", 2}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for v, err := range pipeproc.Values(ctx, node, c, "t", pipeproc.RangeOptions{}) {
		switch {
		case err == nil:
			got = append(got, v.Value.Item)
		case v.ID.Seq == 1 && string(v.Body) == "{" && strings.Contains(err.Error(), v.ID.String()):
			got = append(got, "bad")
		default:
			t.Errorf("%+v, %v", v, err)
		}
	}
	if fmt.Sprint(got) != "[a bad b]" {
		t.Error(got)
	}
	for _, err := range pipeproc.Values(ctx, node, c, "nowhere", pipeproc.RangeOptions{}) {
		if !errors.Is(err, pipeproc.ErrInvalidTopic) {
			t.Error(err)
		}
	}
	// What cannot be encoded commits nothing.
	if _, err := pipeproc.CommitValues(ctx, node, pipeproc.JSON[func()](), "t", func() {}); err == nil {
		t.Error("a function was committed")
	}
	if n, err := node.Length(ctx, "t"); err != nil || n != 3 {
		t.Error(n, err)
	}
}
