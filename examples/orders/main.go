// Command orders takes in orders as lines of JSON, invoices them and keeps a summary
// per customer: two stages, each with exactly-once effect, and a dead-letter topic
// for orders that cannot be invoiced. Interrupt it and start it again: it continues.
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
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
)

type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Item     string `json:"item"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price"`
}

type Invoice struct {
	Order
	Total int64 `json:"total"`
}

type Summary struct {
	Customer string `json:"customer"`
	Invoices int    `json:"invoices"`
	Total    int64  `json:"total"`
}

const batchSize = 100

var (
	orderJSON   = pipeproc.JSON[Order]()
	invoiceJSON = pipeproc.JSON[Invoice]()
	summaryJSON = pipeproc.JSON[Summary]()
)

func main() {
	dir := flag.String("dir", "data", "directory of the store")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string) error {
	node, err := pipeproc.Open(dir, &pipeproc.Options{Logger: slog.Default()})
	if err != nil {
		return err
	}
	err = work(ctx, node, os.Stdin)
	if err != nil && errors.Is(err, context.Cause(ctx)) {
		fmt.Println("interrupted: the next start goes on here")
		err = nil
	}
	return errors.Join(err, node.Close())
}

func work(ctx context.Context, store pipeproc.Store, in io.Reader) error {
	sums := &summaries{store: store, of: make(map[string]Summary)}
	stages := []pipeproc.SystemProcOptions{
		{
			Name: "invoice", From: []string{"orders"}, To: []string{"invoices"},
			Processor: pipeproc.EachValue(orderJSON, invoiceJSON, invoice),
			Count:     1, // a bad order fails alone
			Retry: pipeproc.RetryPolicy{
				MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "orders-dead",
			},
		},
		{
			Name: "summarize", From: []string{"invoices"}, To: []string{"customers"},
			Processor: sums.process,
			Count:     100,
		},
	}
	for _, stage := range stages {
		if _, err := store.DefineSystemProc(ctx, stage); err != nil {
			return fmt.Errorf("stage %s: %w", stage.Name, err)
		}
	}
	accepted, invalid, err := ingest(ctx, store, in)
	fmt.Printf("%d orders taken in, %d invalid lines\n", accepted, invalid)
	if err != nil {
		return err
	}
	if err := store.WaitForProcs(ctx, "invoice", "summarize"); err != nil {
		return err
	}
	for _, stage := range stages { // WaitForProcs does not wait for a disabled proc
		if info, err := store.InspectProc(ctx, stage.Name); err != nil {
			return err
		} else if info.Disabled {
			return fmt.Errorf("stage %s is disabled, with %d records to do", stage.Name, info.Pending)
		}
	}
	if err := printDead(ctx, store); err != nil {
		return err
	}
	if err := printInvoices(ctx, store, time.Now().Add(-time.Minute)); err != nil {
		return err
	}
	return sums.print(ctx)
}

// ingest commits the orders in r in batches until r or ctx ends. Everything it
// has read is committed.
func ingest(ctx context.Context, store pipeproc.Committer, r io.Reader) (accepted, invalid int, err error) {
	var batch pipeproc.Batch
	flush := func() error {
		if batch.Len() == 0 {
			return nil
		}
		if err := store.CommitBatch(context.WithoutCancel(ctx), &batch); err != nil {
			return fmt.Errorf("commit orders: %w", err)
		}
		accepted += batch.Len()
		batch.Reset()
		return nil
	}
	lines, readErr := make(chan []byte), make(chan error, 1)
	go func() {
		defer close(lines)
		for br := bufio.NewReader(r); ; {
			line, err := br.ReadBytes('\n')
			if line = bytes.TrimSpace(line); len(line) > 0 {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				readErr <- err
				return
			}
		}
	}()
	idle := time.NewTicker(200 * time.Millisecond) // a slow input does not hold orders back
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return accepted, invalid, errors.Join(flush(), context.Cause(ctx))
		case <-idle.C:
			err = flush()
		case line, ok := <-lines:
			if !ok {
				if err := flush(); err != nil {
					return accepted, invalid, err
				}
				if ctx.Err() != nil {
					return accepted, invalid, context.Cause(ctx)
				}
				if err := <-readErr; err != io.EOF {
					return accepted, invalid, fmt.Errorf("read orders: %w", err)
				}
				return accepted, invalid, nil
			}
			var o Order
			if json.Unmarshal(line, &o) != nil || o.ID == "" || o.Customer == "" {
				invalid++
			} else if err = pipeproc.AddValue(&batch, orderJSON, "orders", []byte(o.Customer), o); err == nil && batch.Len() >= batchSize {
				err = flush()
			}
		}
		if err != nil {
			return accepted, invalid, err
		}
	}
}

func invoice(_ context.Context, v pipeproc.Value[Order]) ([]Invoice, error) {
	if o := v.Value; o.Quantity <= 0 {
		return nil, fmt.Errorf("order %s: quantity %d", o.ID, o.Quantity)
	}
	return []Invoice{{Order: v.Value, Total: v.Value.Quantity * v.Value.Price}}, nil
}

// summaries is the state of the second stage. It consists only of records committed to
// "customers", so that a claim that fails or is repeated does not count twice.
type summaries struct {
	store pipeproc.Reader

	mu   sync.Mutex
	last pipeproc.ID // newest record in of
	of   map[string]Summary
}

func (s *summaries) catchUp(ctx context.Context) error {
	later := pipeproc.RangeOptions{Start: pipeproc.AtID(s.last), Exclusive: true}
	for v, err := range pipeproc.Values(ctx, s.store, summaryJSON, "customers", later) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil // no summary yet
		}
		if err != nil {
			return err
		}
		s.of[v.Value.Customer], s.last = v.Value, v.ID
	}
	return nil
}

func (s *summaries) process(ctx context.Context, w *pipeproc.Work) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	changed := make(map[string]Summary)
	for _, rec := range w.Records() {
		inv, err := invoiceJSON.Decode(rec.Body)
		if err != nil {
			return err
		}
		sum, ok := changed[inv.Customer]
		if !ok {
			sum = s.of[inv.Customer]
		}
		changed[inv.Customer] = Summary{inv.Customer, sum.Invoices + 1, sum.Total + inv.Total}
	}
	for _, customer := range slices.Sorted(maps.Keys(changed)) {
		body, err := summaryJSON.Append(nil, changed[customer])
		if err != nil {
			return err
		}
		w.EmitRecord(pipeproc.Record{Key: []byte(customer), Body: body})
	}
	return nil
}

func (s *summaries) print(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	for _, c := range slices.Sorted(maps.Keys(s.of)) {
		fmt.Printf("customer %s: %d invoices, %d\n", c, s.of[c].Invoices, s.of[c].Total)
	}
	return nil
}

func printDead(ctx context.Context, store pipeproc.Reader) error {
	for v, err := range pipeproc.Values(ctx, store, orderJSON, "orders-dead", pipeproc.RangeOptions{}) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil // nothing has failed
		}
		if err != nil {
			return err
		}
		fmt.Printf("dead %s: %s (%s attempts)\n", v.Value.ID,
			header(v.Record, pipeproc.HeaderDeadReason), header(v.Record, pipeproc.HeaderDeadAttempts))
	}
	return nil
}

func printInvoices(ctx context.Context, store pipeproc.Reader, since time.Time) error {
	lately := pipeproc.RangeOptions{Start: pipeproc.AtTime(since)}
	for v, err := range pipeproc.Values(ctx, store, invoiceJSON, "invoices", lately) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("invoice %v key=%q order=%s total=%d\n", v.ID, v.Key, v.Value.ID, v.Value.Total)
	}
	return nil
}

func header(rec pipeproc.Record, name string) []byte {
	for _, h := range rec.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return nil
}
