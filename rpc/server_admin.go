package rpc

import (
	"context"
	"encoding/json"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/hook"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// jsonCall answers one JSON call.
type jsonCall struct {
	need  Access
	keyed bool
	run   func(ctx context.Context, c *transport.Call, args []byte) (any, error)
}

// jsonCalls are the JSON calls by name.
type jsonCalls map[string]jsonCall

// answer makes fn the answer to a call.
func answer[A, R any](calls jsonCalls, call message.Call[A, R], fn func(ctx context.Context, c *transport.Call, a A) (R, error)) {
	calls[call.Name] = jsonCall{call.Need, call.Keyed, func(ctx context.Context, c *transport.Call, p []byte) (any, error) {
		a, err := call.Args(p)
		if err != nil {
			return nil, err
		}
		return fn(ctx, c, a)
	}}
}

// jsonCalls returns the answers of the service.
func (s *service) jsonCalls() jsonCalls {
	calls := make(jsonCalls)
	s.answerTopics(calls)
	s.answerProcs(calls)
	s.answerSystemProcs(calls)
	return calls
}

func (s *service) answerTopics(calls jsonCalls) {
	n, m := s.n, &message.Calls
	answer(calls, m.Ping, func(context.Context, *transport.Call, message.NoArgs) (string, error) { return "pong", nil })
	answer(calls, m.Stats, func(context.Context, *transport.Call, message.NoArgs) (message.Stats, error) {
		return statsOf(n.Stats()), nil
	})
	answer(calls, m.Topic, func(ctx context.Context, _ *transport.Call, a message.NameArgs) (message.Topic, error) {
		i, err := n.Topic(ctx, a.Name)
		return topicOf(i), err
	})
	answer(calls, m.Topics, func(ctx context.Context, _ *transport.Call, _ message.NoArgs) ([]message.Topic, error) {
		list, err := n.Topics(ctx)
		return each(list, topicOf), err
	})
	answer(calls, m.CreateTopic, func(ctx context.Context, _ *transport.Call, a message.CreateTopicArgs) (message.None, error) {
		return nil, n.CreateTopic(ctx, a.Name, topicOptions(a.Options))
	})
	answer(calls, m.DeleteTopic, func(ctx context.Context, _ *transport.Call, a message.NameArgs) (message.None, error) {
		return nil, n.DeleteTopic(ctx, a.Name)
	})
	answer(calls, m.Prune, func(ctx context.Context, _ *transport.Call, a message.PruneArgs) (message.None, error) {
		return nil, n.Prune(ctx, a.Topic, a.First)
	})
	answer(calls, m.SetRetention, func(ctx context.Context, _ *transport.Call, a message.RetentionArgs) (message.None, error) {
		return nil, n.SetRetention(ctx, a.Topic, retention(a.Retention))
	})
	answer(calls, m.Retention, func(ctx context.Context, _ *transport.Call, a message.NameArgs) (message.Retention, error) {
		r, err := n.Retention(ctx, a.Name)
		return retentionOf(r), err
	})
	answer(calls, m.GC, func(ctx context.Context, _ *transport.Call, a message.GCArgs) ([]message.Pruned, error) {
		list, err := n.GC(ctx, pipeproc.GCOptions{Interval: a.Interval, MinAge: a.MinPruneTime, IgnoreDisabled: a.IgnoreDisabled})
		return each(list, func(p pipeproc.Pruned) message.Pruned {
			return message.Pruned{Topic: p.Topic, First: p.First, Next: p.Next, Reason: uint8(p.Reason), Passed: p.Passed}
		}), err
	})
	answer(calls, m.Checkpoint, func(ctx context.Context, _ *transport.Call, _ message.NoArgs) (message.None, error) {
		return nil, n.Checkpoint(ctx)
	})
}

func (s *service) answerProcs(calls jsonCalls) {
	n, m := s.n, &message.Calls
	named := func(call message.Call[message.NameArgs, message.Proc], fn func(context.Context, string) (pipeproc.ProcInfo, error)) {
		answer(calls, call, func(ctx context.Context, _ *transport.Call, a message.NameArgs) (message.Proc, error) {
			i, err := fn(ctx, a.Name)
			return procOf(i), err
		})
	}
	named(m.InspectProc, n.InspectProc)
	named(m.DisableProc, n.DisableProc)
	named(m.ResumeProc, n.ResumeProc)
	named(m.DestroyProc, n.DestroyProc)
	answer(calls, m.Procs, func(ctx context.Context, _ *transport.Call, _ message.NoArgs) ([]message.Proc, error) {
		list, err := n.Procs(ctx)
		return each(list, procOf), err
	})
	answer(calls, m.SeekProc, func(ctx context.Context, _ *transport.Call, a message.SeekArgs) (message.Proc, error) {
		i, err := n.SeekProc(ctx, a.Name, a.Offset)
		return procOf(i), err
	})
	answer(calls, m.EnsureProc, func(ctx context.Context, c *transport.Call, a message.ProcArgs) (message.Proc, error) {
		i, err := n.EnsureProc(ctx, procOptions(a))
		if err == nil && i.Ephemeral {
			s.clients.own(c.Peer().ClientID, i.Name)
		}
		return procOf(i), err
	})
}

func (s *service) answerSystemProcs(calls jsonCalls) {
	n, m := s.n, &message.Calls
	answer(calls, m.SystemProc, func(ctx context.Context, c *transport.Call, a message.SystemProcArgs) ([]message.Proc, error) {
		var err error
		if a.Options.Command, err = s.o.mayRun(c.Peer(), a.Options.Command); err != nil {
			return nil, err
		}
		list, err := n.DefineSystemProc(ctx, systemProcOptions(a.Options))
		return each(list, procOf), err
	})
	answer(calls, m.SystemProcs, func(ctx context.Context, _ *transport.Call, _ message.NoArgs) ([]message.SystemProc, error) {
		list, err := n.SystemProcs(ctx)
		return each(list, systemProcOf), err
	})
	answer(calls, m.Definitions, func(ctx context.Context, _ *transport.Call, a message.NamesArgs) ([]*procstate.System, error) {
		return hook.Pipelines(n).Definitions(ctx, a.Names...)
	})
}

// json runs MethodJSON.
func (s *service) json(ctx context.Context, c *transport.Call) error {
	var m message.JSON
	if err := m.Take(c.Body()); err != nil {
		return err
	}
	a, ok := s.calls[m.Name]
	if !ok {
		return &errs.Error{Code: "unknown_method", Detail: "the node does not know the call " + m.Name + "; use a newer one"}
	}
	if err := s.allow(c.Peer(), a.need); err != nil {
		return err
	}
	// Most look at the state before they change it, and some change it in several steps.
	if !a.keyed {
		c.StandAside()
	} else if err := c.First(ctx); err != nil {
		return err
	} else {
		ctx = keyedContext(ctx, c, m.Key, nil)
	}
	v, err := a.run(ctx, c, m.Args)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Reply(b)
}
