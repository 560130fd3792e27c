// Command orders takes in orders as lines of JSON, invoices them and keeps a summary
// per customer: two stages, each exactly once in effect, and a dead-letter topic for
// orders that cannot be invoiced. Interrupt it and start it again: it continues.
//
//	echo '{"id":"o-1","customer":"ann","item":"tea","quantity":2,"price":350}' | go run ./examples/orders -dir data
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
)

type Order struct { // encoding/json matches names in lower case, too
	ID, Customer, Item string
	Quantity, Price    int64
}

type Invoice struct {
	Order
	Total int64
}

type Summary struct {
	Customer        string
	Invoices, Total int64
}

var orderJSON, invoiceJSON, summaryJSON = pipeproc.JSON[Order](), pipeproc.JSON[Invoice](), pipeproc.JSON[Summary]()

func main() {
	dir := flag.String("dir", "data", "directory of the store")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	node, err := pipeproc.Open(*dir, &pipeproc.Options{Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	if err = run(ctx, node, os.Stdin); err != nil && errors.Is(err, context.Cause(ctx)) {
		fmt.Println("interrupted: the next start goes on here")
		err = nil
	}
	if err = errors.Join(err, node.Close()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, store pipeproc.Store, in io.Reader) error {
	sums := &summaries{store: store, of: make(map[string]Summary)}
	stages := []pipeproc.SystemProcOptions{{
		Name: "invoice", From: []string{"orders"}, To: []string{"invoices"},
		Processor: pipeproc.EachValue(orderJSON, invoiceJSON, invoice), // Count 1: a bad order fails alone
		Retry:     pipeproc.RetryPolicy{MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "orders-dead"},
	}, {
		Name: "summarize", From: []string{"invoices"}, To: []string{"customers"},
		Processor: pipeproc.Each(sums.add),
	}}
	for _, topic := range []string{"orders-dead", "invoices", "customers"} { // to read them before there is a record
		if err := store.CreateTopic(ctx, topic, pipeproc.TopicOptions{}); err != nil && !errors.Is(err, pipeproc.ErrTopicExists) {
			return err
		}
	}
	for _, stage := range stages {
		if _, err := store.DefineSystemProc(ctx, stage); err != nil {
			return fmt.Errorf("stage %s: %w", stage.Name, err)
		}
	}
	if err := ingest(ctx, store, in); err != nil {
		return err
	}
	if err := store.WaitForProcs(ctx); err != nil {
		return err
	}
	for _, stage := range stages { // WaitForProcs does not wait for a disabled one
		info, err := store.InspectProc(ctx, stage.Name)
		if err == nil && info.Disabled {
			err = fmt.Errorf("stage %s is disabled with %d records to do", stage.Name, info.Pending)
		}
		if err != nil {
			return err
		}
	}
	return report(ctx, store)
}

// ingest commits the orders in r in batches until r or ctx ends, and whatever it has read.
func ingest(ctx context.Context, store pipeproc.Committer, r io.Reader) (err error) {
	batch, accepted, invalid := pipeproc.Batch{}, 0, 0
	flush := func() error {
		err := store.CommitBatch(context.WithoutCancel(ctx), &batch)
		if err != nil && !errors.Is(err, pipeproc.ErrUncommitted) { // that is an empty batch
			return fmt.Errorf("commit orders: %w", err)
		}
		accepted += batch.Len()
		batch.Reset()
		return nil
	}
	defer func() {
		err = errors.Join(err, flush())
		fmt.Printf("%d orders taken in, %d invalid lines\n", accepted, invalid)
	}()
	lines, end := make(chan []byte), make(chan error, 1)
	go func() { // a read of stdin cannot be interrupted
		scanner := bufio.NewScanner(r)
		for scanner.Scan() {
			lines <- bytes.Clone(scanner.Bytes())
		}
		end <- scanner.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-end:
			return err
		case line := <-lines:
			var o Order
			if json.Unmarshal(line, &o) != nil || o.ID == "" || o.Customer == "" {
				invalid++
				continue
			}
			err := pipeproc.AddValue(&batch, orderJSON, "orders", []byte(o.Customer), o)
			if err == nil && batch.Len() >= 100 {
				err = flush()
			}
			if err != nil {
				return err
			}
		}
	}
}

func invoice(_ context.Context, v pipeproc.Value[Order]) ([]Invoice, error) {
	if o := v.Value; o.Quantity <= 0 {
		return nil, fmt.Errorf("order %s: quantity %d", o.ID, o.Quantity)
	}
	return []Invoice{{Order: v.Value, Total: v.Value.Quantity * v.Value.Price}}, nil
}

// summaries is built only from what "customers" holds, so that a repeated claim counts once.
type summaries struct {
	store pipeproc.Reader
	mu    sync.Mutex  // a call that timed out may still run when the next one begins
	last  pipeproc.ID // of the newest record in of
	of    map[string]Summary
}

func (s *summaries) add(ctx context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	later := pipeproc.RangeOptions{Start: pipeproc.AtID(s.last), Exclusive: s.last != pipeproc.ID{}}
	for v, err := range pipeproc.Values(ctx, s.store, summaryJSON, "customers", later) {
		if err != nil {
			return err
		}
		s.of[v.Value.Customer], s.last = v.Value, v.ID
	}
	inv, err := invoiceJSON.Decode(rec.Body)
	if err != nil {
		return err
	}
	old := s.of[inv.Customer]
	body, err := summaryJSON.Append(nil, Summary{inv.Customer, old.Invoices + 1, old.Total + inv.Total})
	if err == nil {
		w.EmitRecord(pipeproc.Record{Key: []byte(inv.Customer), Body: body})
	}
	return err
}

func report(ctx context.Context, store pipeproc.Reader) error {
	for v, err := range pipeproc.Values(ctx, store, orderJSON, "orders-dead", pipeproc.RangeOptions{}) {
		if err != nil {
			return err
		}
		for _, h := range v.Headers {
			if h.Name == pipeproc.HeaderDeadReason {
				fmt.Printf("dead %s: %s\n", v.Value.ID, h.Value)
			}
		}
	}
	lately := pipeproc.RangeOptions{Start: pipeproc.AtTime(time.Now().Add(-time.Minute))}
	for v, err := range pipeproc.Values(ctx, store, invoiceJSON, "invoices", lately) {
		if err != nil {
			return err
		}
		fmt.Printf("invoice %v order=%s customer=%s total=%d\n", v.ID, v.Value.ID, v.Value.Customer, v.Value.Total)
	}
	return nil
}
