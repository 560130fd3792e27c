package pipeproc

import (
	"context"
	"encoding/json"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc"
)

// Calls that are not made a thousand times a second go as JSON: the name of the
// call, and its arguments as an object.

type adminCall struct {
	need  Access
	keyed bool // it is one command, which must not be run twice
	run   func(ctx context.Context, s *service, c *rpc.Call, args json.RawMessage) (any, error)
}

// command makes an adminCall that must not be run twice.
func command[A any](need Access, fn func(ctx context.Context, n *Node, a A) (any, error)) adminCall {
	c := call(need, fn)
	c.keyed = true
	return c
}

// call makes an adminCall of a function with typed arguments.
func call[A any](need Access, fn func(ctx context.Context, n *Node, a A) (any, error)) adminCall {
	return adminCall{need: need, run: func(ctx context.Context, s *service, _ *rpc.Call, args json.RawMessage) (any, error) {
		var a A
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, errs.InvalidOptions.Wrap(err, "the arguments of the call")
		}
		return fn(ctx, s.n, a)
	}}
}

type (
	noArgs   struct{}
	nameArgs struct {
		Name string `json:"name"`
	}
	namesArgs struct {
		Names []string `json:"names"`
	}
	createTopicArgs struct {
		Name    string       `json:"name"`
		Options TopicOptions `json:"options"`
	}
	pruneArgs struct {
		Topic string `json:"topic"`
		First uint64 `json:"first"`
	}
	retentionArgs struct {
		Topic     string    `json:"topic"`
		Retention Retention `json:"retention"`
	}
	seekArgs struct {
		Name   string `json:"name"`
		Offset string `json:"offset"`
	}
	systemProcArgs struct {
		Options SystemProcOptions `json:"options"`
	}
)

// adminCalls are the calls by name.
func adminCalls() map[string]adminCall {
	return map[string]adminCall{
		"ping":  call(AccessNone, func(context.Context, *Node, noArgs) (any, error) { return "pong", nil }),
		"stats": call(AccessRead, func(ctx context.Context, n *Node, _ noArgs) (any, error) { return statsOf(n.Stats()), nil }),
		"topic": call(AccessRead, func(ctx context.Context, n *Node, a nameArgs) (any, error) { return wrapTopic(n.Topic(ctx, a.Name)) }),
		"topics": call(AccessRead, func(ctx context.Context, n *Node, _ noArgs) (any, error) {
			list, err := n.Topics(ctx)
			out := make([]wireTopic, len(list))
			for i := range list {
				out[i] = topicOf(list[i])
			}
			return out, err
		}),
		"createTopic": command(AccessAll, func(ctx context.Context, n *Node, a createTopicArgs) (any, error) {
			return nil, n.CreateTopic(ctx, a.Name, a.Options)
		}),
		"deleteTopic": command(AccessAll, func(ctx context.Context, n *Node, a nameArgs) (any, error) { return nil, n.DeleteTopic(ctx, a.Name) }),
		"prune": command(AccessAll, func(ctx context.Context, n *Node, a pruneArgs) (any, error) {
			return nil, n.Prune(ctx, a.Topic, a.First)
		}),
		"setRetention": command(AccessAll, func(ctx context.Context, n *Node, a retentionArgs) (any, error) {
			return nil, n.SetRetention(ctx, a.Topic, a.Retention)
		}),
		"retention":  call(AccessRead, func(ctx context.Context, n *Node, a nameArgs) (any, error) { return n.Retention(ctx, a.Name) }),
		"gc":         call(AccessAll, func(ctx context.Context, n *Node, o GCOptions) (any, error) { return n.GC(ctx, o) }),
		"checkpoint": call(AccessAll, func(ctx context.Context, n *Node, _ noArgs) (any, error) { return nil, n.Checkpoint(ctx) }),
		"inspectProc": call(AccessRead, func(ctx context.Context, n *Node, a nameArgs) (any, error) {
			return wrapProc(n.InspectProc(ctx, a.Name))
		}),
		"procs": call(AccessRead, func(ctx context.Context, n *Node, _ noArgs) (any, error) {
			return wrapProcs(n.Procs(ctx))
		}),
		"disableProc": command(AccessWrite, func(ctx context.Context, n *Node, a nameArgs) (any, error) {
			return wrapProc(n.DisableProc(ctx, a.Name))
		}),
		"resumeProc": command(AccessWrite, func(ctx context.Context, n *Node, a nameArgs) (any, error) {
			return wrapProc(n.ResumeProc(ctx, a.Name))
		}),
		"destroyProc": command(AccessWrite, func(ctx context.Context, n *Node, a nameArgs) (any, error) {
			return wrapProc(n.DestroyProc(ctx, a.Name))
		}),
		"seekProc": command(AccessWrite, func(ctx context.Context, n *Node, a seekArgs) (any, error) {
			return wrapProc(n.SeekProc(ctx, a.Name, a.Offset))
		}),
		"ensureProc": {need: AccessWrite, run: func(ctx context.Context, s *service, c *rpc.Call, args json.RawMessage) (any, error) {
			var o ProcOptions
			if err := json.Unmarshal(args, &o); err != nil {
				return nil, errs.InvalidOptions.Wrap(err, "the arguments of the call")
			}
			i, err := s.n.EnsureProc(ctx, o)
			if err == nil && i.Ephemeral {
				s.clients.own(c.Peer().ClientID, i.Name)
			}
			return procOf(i), err
		}},
		"systemProc": {need: AccessAll, run: func(ctx context.Context, s *service, c *rpc.Call, args json.RawMessage) (any, error) {
			var a systemProcArgs
			err := json.Unmarshal(args, &a)
			if err != nil {
				return nil, errs.InvalidOptions.Wrap(err, "the arguments of the call")
			}
			if a.Options.Command, err = s.o.mayRun(c.Peer(), a.Options.Command); err != nil {
				return nil, err
			}
			return wrapProcs(s.n.DefineSystemProc(ctx, a.Options))
		}},
		"systemProcs": call(AccessRead, func(ctx context.Context, n *Node, _ noArgs) (any, error) { return n.SystemProcs(ctx) }),
		"definitions": call(AccessRead, func(ctx context.Context, n *Node, a namesArgs) (any, error) { return n.definitions(ctx, a.Names...) }),
	}
}

// wireProc is ProcInfo with its fields as they are: ranges whole, not as text.
type (
	plainProc ProcInfo
	plainSpan IDRange
	wireProc  struct {
		plainProc
		LastClaimed, PreviousClaimed, LastAcked plainSpan
	}
)

func procOf(i ProcInfo) wireProc {
	return wireProc{plainProc(i), plainSpan(i.LastClaimed), plainSpan(i.PreviousClaimed), plainSpan(i.LastAcked)}
}

func (w wireProc) info() ProcInfo {
	i := ProcInfo(w.plainProc)
	i.LastClaimed, i.PreviousClaimed, i.LastAcked = IDRange(w.LastClaimed), IDRange(w.PreviousClaimed), IDRange(w.LastAcked)
	return i
}

func wrapProc(i ProcInfo, err error) (any, error) { return procOf(i), err }

func wrapProcs(list []ProcInfo, err error) (any, error) {
	out := make([]wireProc, len(list))
	for i := range list {
		out[i] = procOf(list[i])
	}
	return out, err
}

// wireTopic is TopicInfo with its error as text.
type wireTopic struct {
	TopicInfo
	Damaged string `json:",omitempty"`
}

func topicOf(i TopicInfo) wireTopic {
	w := wireTopic{TopicInfo: i}
	if i.Damaged != nil {
		w.Damaged = i.Damaged.Error()
	}
	w.TopicInfo.Damaged = nil
	return w
}

func (w wireTopic) info() TopicInfo {
	i := w.TopicInfo
	if w.Damaged != "" {
		i.Damaged = errs.Damaged.With(w.Damaged)
	}
	return i
}

func wrapTopic(i TopicInfo, err error) (any, error) { return topicOf(i), err }

type wireStats struct {
	Stats
	Err string `json:",omitempty"`
}

func statsOf(s Stats) wireStats {
	w := wireStats{Stats: s}
	if s.Err != nil {
		w.Err = s.Err.Error()
	}
	w.Stats.Err = nil
	return w
}

// admin runs methodAdmin.
func (s *service) admin(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	k, name, args := takeKey(&d), string(d.Bytes()), d.Bytes()
	if d.Err != nil {
		return malformed("call")
	}
	a, ok := s.calls[name]
	if !ok {
		return &errs.Error{Code: "unknown_method", Detail: "the node does not know the call " + name + "; use a newer one"}
	}
	if err := s.allow(c, a.need); err != nil {
		return err
	}
	if a.keyed {
		ctx = keyedContext(ctx, c, k)
	}
	v, err := a.run(ctx, s, c, args)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Reply(b)
}
