package rpc

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/rpc/message"
)

// callJSON makes a JSON call.
func callJSON[A, R any](ctx context.Context, c *Client, call message.Call[A, R], args A) (R, error) {
	var none R
	b, err := json.Marshal(args)
	if err != nil {
		return none, err
	}
	m := message.JSON{Name: call.Name, Args: b}
	p, err := c.send(ctx, message.MethodJSON, m.Append(message.KeyRoom()))
	if err != nil {
		return none, err
	}
	return call.Result(p)
}

// Ping returns when the node has answered.
func (c *Client) Ping(ctx context.Context) error {
	_, err := callJSON(ctx, c, message.Calls.Ping, message.NoArgs{})
	return err
}

// Stats returns the node's counters.
func (c *Client) Stats(ctx context.Context) (pipeproc.Stats, error) {
	m, err := callJSON(ctx, c, message.Calls.Stats, message.NoArgs{})
	return stats(m), err
}

// Topic is Node.Topic.
func (c *Client) Topic(ctx context.Context, name string) (pipeproc.TopicInfo, error) {
	m, err := callJSON(ctx, c, message.Calls.Topic, message.NameArgs{Name: name})
	return topicInfo(m), err
}

// Topics is Node.Topics.
func (c *Client) Topics(ctx context.Context) ([]pipeproc.TopicInfo, error) {
	list, err := callJSON(ctx, c, message.Calls.Topics, message.NoArgs{})
	return each(list, topicInfo), err
}

// CreateTopic is Node.CreateTopic.
func (c *Client) CreateTopic(ctx context.Context, name string, o pipeproc.TopicOptions) error {
	_, err := callJSON(ctx, c, message.Calls.CreateTopic, message.CreateTopicArgs{Name: name,
		Options: message.TopicOptions{SegmentSize: o.SegmentSize, Compression: uint8(o.Compression)}})
	return err
}

// DeleteTopic is Node.DeleteTopic.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	_, err := callJSON(ctx, c, message.Calls.DeleteTopic, message.NameArgs{Name: name})
	return err
}

// Prune is Node.Prune.
func (c *Client) Prune(ctx context.Context, topic string, first uint64) error {
	_, err := callJSON(ctx, c, message.Calls.Prune, message.PruneArgs{Topic: topic, First: first})
	return err
}

// SetRetention is Node.SetRetention.
func (c *Client) SetRetention(ctx context.Context, topic string, r pipeproc.Retention) error {
	_, err := callJSON(ctx, c, message.Calls.SetRetention, message.RetentionArgs{Topic: topic, Retention: retentionOf(r)})
	return err
}

// Retention is Node.Retention.
func (c *Client) Retention(ctx context.Context, topic string) (pipeproc.Retention, error) {
	m, err := callJSON(ctx, c, message.Calls.Retention, message.NameArgs{Name: topic})
	return retention(m), err
}

// GC is Node.GC.
func (c *Client) GC(ctx context.Context, o pipeproc.GCOptions) ([]pipeproc.Pruned, error) {
	list, err := callJSON(ctx, c, message.Calls.GC, message.GCArgs{Interval: o.Interval, MinPruneTime: o.MinAge, IgnoreDisabled: o.IgnoreDisabled})
	return each(list, func(p message.Pruned) pipeproc.Pruned {
		return pipeproc.Pruned{Topic: p.Topic, First: p.First, Next: p.Next, Reason: pipeproc.PruneReason(p.Reason), Passed: p.Passed}
	}), err
}

// Checkpoint is Node.Checkpoint.
func (c *Client) Checkpoint(ctx context.Context) error {
	_, err := callJSON(ctx, c, message.Calls.Checkpoint, message.NoArgs{})
	return err
}

// InspectProc is Node.InspectProc.
func (c *Client) InspectProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	return c.proc(ctx, message.Calls.InspectProc, name)
}

// DisableProc is Node.DisableProc.
func (c *Client) DisableProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	return c.proc(ctx, message.Calls.DisableProc, name)
}

// ResumeProc is Node.ResumeProc.
func (c *Client) ResumeProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	return c.proc(ctx, message.Calls.ResumeProc, name)
}

// DestroyProc is Node.DestroyProc.
func (c *Client) DestroyProc(ctx context.Context, name string) (pipeproc.ProcInfo, error) {
	i, err := c.proc(ctx, message.Calls.DestroyProc, name)
	if err == nil {
		c.known.Delete(name)
		c.pipes.Detach(name)
		c.turns.Forget(name)
	}
	return i, err
}

func (c *Client) proc(ctx context.Context, call message.Call[message.NameArgs, message.Proc], name string) (pipeproc.ProcInfo, error) {
	m, err := callJSON(ctx, c, call, message.NameArgs{Name: name})
	return procInfo(m), err
}

// SeekProc is Node.SeekProc.
func (c *Client) SeekProc(ctx context.Context, name, offset string) (pipeproc.ProcInfo, error) {
	m, err := callJSON(ctx, c, message.Calls.SeekProc, message.SeekArgs{Name: name, Offset: offset})
	return procInfo(m), err
}

// Procs is Node.Procs.
func (c *Client) Procs(ctx context.Context) ([]pipeproc.ProcInfo, error) {
	list, err := callJSON(ctx, c, message.Calls.Procs, message.NoArgs{})
	return each(list, procInfo), err
}

// DefineSystemProc is Node.DefineSystemProc. A Processor runs in this process, as
// long as the client is open; a Command runs in worker processes of the node.
func (c *Client) DefineSystemProc(ctx context.Context, o pipeproc.SystemProcOptions) ([]pipeproc.ProcInfo, error) {
	if err := o.Validate(); err != nil { // checked here too: JSON would change names that are not UTF-8
		return nil, err
	}
	list, err := callJSON(ctx, c, message.Calls.SystemProc, systemProcArgs(o))
	if err != nil {
		return nil, err
	}
	if o.Processor != nil {
		name := o.ProcessorName
		if name == "" {
			name = o.Name
		}
		c.pipes.Register(name, o.Processor)
	}
	if err := c.pipes.Attach(ctx, o.Name); err != nil {
		return nil, err
	}
	infos := each(list, procInfo)
	for i := range infos { // it may already be running
		if infos[i], err = c.InspectProc(ctx, infos[i].Name); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

// SystemProcs is Node.SystemProcs.
func (c *Client) SystemProcs(ctx context.Context) ([]pipeproc.SystemProcInfo, error) {
	list, err := callJSON(ctx, c, message.Calls.SystemProcs, message.NoArgs{})
	infos := each(list, systemProcInfo)
	for i := range infos { // the node knows only its own processors
		infos[i].Running = infos[i].Running || len(infos[i].Command) == 0 && c.pipes.Has(infos[i].Processor)
	}
	return infos, err
}

// Register is Node.Register, for processors that run in this process.
func (c *Client) Register(name string, p pipeproc.Processor) error {
	if p == nil {
		return errs.NoProcessor.With(fmt.Sprintf("the processor %q is nil", name))
	}
	c.pipes.Register(name, p)
	return c.pipes.Attach(context.Background())
}

// OpenLiveProc is Node.OpenLiveProc.
func (c *Client) OpenLiveProc(ctx context.Context, o pipeproc.LiveOptions) (*pipeproc.LiveProc, error) {
	return pipeproc.NewLiveProc(ctx, c, o)
}

// Definitions is for the pools of this process.
func (h remoteHost) Definitions(ctx context.Context, names ...string) ([]*procstate.System, error) {
	return callJSON(ctx, h.c, message.Calls.Definitions, message.NamesArgs{Names: names})
}
