package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// remoteSource lets a pool in this process work on a node in another one.
type remoteSource struct{ c *Client }

func (s remoteSource) Claim(ctx context.Context, proc string, count int, c *worker.Task) error {
	k, err := s.c.claim(ctx, proc, "", count)
	if err != nil {
		return err
	}
	c.Proc, c.Topic, c.Token, c.Attempt, c.Timeout, c.Skipped, c.Records = proc, k.Topic, k.Token, k.Attempt, k.Timeout, k.Skipped, k.Records
	return nil
}

func (s remoteSource) AckCommit(ctx context.Context, c *worker.Task, out *topics.Batch) error {
	if out == nil || out.Len() == 0 {
		_, err := s.c.Ack(ctx, c.Proc, c.Token)
		return err
	}
	var pos uint64
	_, err := s.c.commit(ctx, out, message.Commit{Ack: true, Proc: c.Proc, Token: c.Token}, &pos)
	return err
}

func (s remoteSource) Reclaim(ctx context.Context, c *worker.Task, reason error) error {
	_, err := s.c.Reclaim(ctx, c.Proc, c.Token, reason.Error())
	return err
}

func (s remoteSource) Release(ctx context.Context, c *worker.Task) error {
	_, err := s.c.ofClaim(ctx, message.MethodRelease, message.OfClaim{Proc: c.Proc, Token: c.Token})
	return err
}

// watchAgain is how long to wait before restarting a watch that ended.
const watchAgain = 100 * time.Millisecond

// Watch keeps a stream open on which the node signals that there may be work.
func (s remoteSource) Watch(proc, topic string, fn func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			err := s.watch(ctx, proc, topic, fn)
			if errors.Is(err, errs.Closed) && s.c.isClosed() {
				return
			}
			t := time.NewTimer(watchAgain)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
		}
	}()
	return cancel
}

func (s remoteSource) watch(ctx context.Context, proc, topic string, fn func()) error {
	conn, err := s.c.get(ctx)
	if err != nil {
		return err
	}
	st, err := conn.Stream(ctx, message.MethodWatch, (&message.Watch{Proc: proc, Topic: topic}).Append(nil))
	if err != nil {
		return err
	}
	defer st.Close()
	for {
		if _, err := st.Next(ctx); err != nil {
			return s.c.failure(ctx, err)
		}
		fn()
	}
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// remoteHost lets the pools of this process work on the node.
type remoteHost struct{ c *Client }

func (h remoteHost) Source() worker.Source { return remoteSource(h) }
