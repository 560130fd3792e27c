package transport

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"
)

// benchHandler answers 1 with its body, 2 with a few bytes, 3 with a stream of
// items without end.
func benchHandler() Handler {
	item := make([]byte, 256<<10)
	return func(_ context.Context, c *Call) {
		switch c.Method() {
		case 1:
			_ = c.Reply(c.Body())
		case 2:
			_ = c.Reply(item[:16])
		case 3:
			for c.Item(item) == nil {
			}
		}
	}
}

// BenchmarkCallSerial is the round trip of one call at a time.
func BenchmarkCallSerial(b *testing.B) {
	_, a := start(b, benchHandler(), ServerOptions{})
	c := dial(b, a, nil)
	body := make([]byte, 100)
	times := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		t := time.Now()
		if _, err := c.Call(b.Context(), 1, body); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(t))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1000, "µs-median")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1000, "µs-p99")
}

// BenchmarkCallPipelined is 64 goroutines that share a connection; bodies of
// 10,000 bytes stand for 100 records.
func BenchmarkCallPipelined(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			_, a := start(b, benchHandler(), ServerOptions{})
			c := dial(b, a, nil)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for g := range 64 {
				wg.Go(func() {
					body := make([]byte, size)
					for range (b.N + g) / 64 {
						if _, err := c.Call(context.Background(), 2, body); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkStream is one stream of items of 256 KiB.
func BenchmarkStream(b *testing.B) {
	_, a := start(b, benchHandler(), ServerOptions{})
	c := dial(b, a, nil)
	s, err := c.Stream(b.Context(), 3)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(256 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(b.Context()); err != nil && err != io.EOF {
			b.Fatal(err)
		}
	}
}
