package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func init() {
	register(system{name: "nats", module: "github.com/nats-io/nats-server/v2",
		durable: "SyncAlways: fsync of each message before its acknowledgement; server and client in one process",
		relaxed: "written before the acknowledgement, which is awaited, of a batch for all of it",
		open:    openNATS})
}

type natsStore struct {
	srv     *server.Server
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	futures []jetstream.PubAckFuture
	batch   int
}

func openNATS(c config) (_ store, err error) {
	s := &natsStore{}
	s.srv, err = server.NewServer(&server.Options{JetStream: true, StoreDir: c.dir, DontListen: true, SyncAlways: c.durable, NoLog: true, NoSigs: true,
		JetStreamMaxStore: 1 << 40, JetStreamMaxMemory: 1 << 32})
	if err != nil {
		return nil, err
	}
	s.srv.Start()
	if !s.srv.ReadyForConnections(5 * time.Minute) {
		s.srv.Shutdown()
		return nil, errors.New("the server did not begin")
	}
	if s.nc, err = nats.Connect("", nats.InProcessServer(s.srv)); err != nil {
		s.srv.Shutdown()
		return nil, err
	}
	if s.js, err = jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.stream, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "log", Subjects: []string{"log.>"}, Storage: jetstream.FileStorage,
		AllowDirect: true, AllowAtomicPublish: c.topics > 1})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *natsStore) Close() error {
	s.nc.Close()
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	return nil
}

func subject(topic int) string { return "log." + strconv.Itoa(topic) }

func (s *natsStore) Append(body []byte) error {
	_, err := s.js.Publish(context.Background(), subject(0), body)
	return err
}

func (s *natsStore) AppendBatch(list [][]byte) error { return s.AppendTo(0, list) }

func (s *natsStore) AppendTo(topic int, list [][]byte) error {
	s.futures = s.futures[:0]
	for _, b := range list {
		f, err := s.js.PublishAsync(subject(topic), b)
		if err != nil {
			return err
		}
		s.futures = append(s.futures, f)
	}
	for _, f := range s.futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		}
	}
	return nil
}

// AppendAtomic uses the batches of JetStream: the last message commits.
func (s *natsStore) AppendAtomic(topics int, list [][]byte) error {
	s.batch++
	id := fmt.Sprint("batch-", s.batch)
	for i, b := range list {
		m := nats.NewMsg(subject(i % topics))
		m.Data = b
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i+1 < len(list) {
			if err := s.nc.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		if _, err := s.js.PublishMsg(context.Background(), m); err != nil {
			return err
		}
	}
	return nil
}

func (s *natsStore) Writer() appender { return s }

func (s *natsStore) Scan(fn func([]byte)) error {
	i, err := s.stream.Info(context.Background())
	if err != nil {
		return err
	}
	left := i.State.Msgs
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if left == 0 {
		return nil
	}
	return s.Tail(ctx, func(b []byte) {
		fn(b)
		if left--; left == 0 {
			cancel()
		}
	})
}

func (s *natsStore) Tail(ctx context.Context, fn func([]byte)) error {
	c, err := s.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(4096))
	if err != nil {
		return err
	}
	defer it.Stop()
	stop := context.AfterFunc(ctx, it.Stop)
	defer stop()
	for ctx.Err() == nil {
		m, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(m.Data())
	}
	return nil
}
