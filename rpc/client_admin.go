package pipeproc

import (
	"context"

	"github.com/pipeproc/pipeproc/procstate"
)

// Ping returns when the node has answered.
func (c *Client) Ping(ctx context.Context) error {
	_, err := admin[string](ctx, c, "ping", noArgs{})
	return err
}

// Stats returns the node's counters.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	w, err := admin[wireStats](ctx, c, "stats", noArgs{})
	return w.stats(), err
}

// Topic is as Node.Topic.
func (c *Client) Topic(ctx context.Context, name string) (TopicInfo, error) {
	w, err := admin[wireTopic](ctx, c, "topic", nameArgs{name})
	return w.info(), err
}

// Topics is as Node.Topics.
func (c *Client) Topics(ctx context.Context) ([]TopicInfo, error) {
	list, err := admin[[]wireTopic](ctx, c, "topics", noArgs{})
	if err != nil {
		return nil, err
	}
	out := make([]TopicInfo, len(list))
	for i, w := range list {
		out[i] = w.info()
	}
	return out, nil
}

// CreateTopic is as Node.CreateTopic.
func (c *Client) CreateTopic(ctx context.Context, name string, o TopicOptions) error {
	_, err := admin[any](ctx, c, "createTopic", createTopicArgs{name, o})
	return err
}

// DeleteTopic is as Node.DeleteTopic.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	_, err := admin[any](ctx, c, "deleteTopic", nameArgs{name})
	return err
}

// Prune is as Node.Prune.
func (c *Client) Prune(ctx context.Context, topic string, first uint64) error {
	_, err := admin[any](ctx, c, "prune", pruneArgs{topic, first})
	return err
}

// SetRetention is as Node.SetRetention.
func (c *Client) SetRetention(ctx context.Context, topic string, r Retention) error {
	_, err := admin[any](ctx, c, "setRetention", retentionArgs{topic, r})
	return err
}

// Retention is as Node.Retention.
func (c *Client) Retention(ctx context.Context, topic string) (Retention, error) {
	return admin[Retention](ctx, c, "retention", nameArgs{topic})
}

// GC is as Node.GC.
func (c *Client) GC(ctx context.Context, o GCOptions) ([]Pruned, error) {
	return admin[[]Pruned](ctx, c, "gc", o)
}

// Checkpoint is as Node.Checkpoint.
func (c *Client) Checkpoint(ctx context.Context) error {
	_, err := admin[any](ctx, c, "checkpoint", noArgs{})
	return err
}

// InspectProc is as Node.InspectProc.
func (c *Client) InspectProc(ctx context.Context, name string) (ProcInfo, error) {
	return c.proc(ctx, "inspectProc", name)
}

// DisableProc is as Node.DisableProc.
func (c *Client) DisableProc(ctx context.Context, name string) (ProcInfo, error) {
	return c.proc(ctx, "disableProc", name)
}

// ResumeProc is as Node.ResumeProc.
func (c *Client) ResumeProc(ctx context.Context, name string) (ProcInfo, error) {
	return c.proc(ctx, "resumeProc", name)
}

// DestroyProc is as Node.DestroyProc.
func (c *Client) DestroyProc(ctx context.Context, name string) (ProcInfo, error) {
	i, err := c.proc(ctx, "destroyProc", name)
	if err == nil {
		c.known.Delete(name)
		c.pipes.detach(name)
		c.turns.forget(name)
	}
	return i, err
}

func (c *Client) proc(ctx context.Context, call, name string) (ProcInfo, error) {
	w, err := admin[wireProc](ctx, c, call, nameArgs{name})
	return w.info(), err
}

// SeekProc is as Node.SeekProc.
func (c *Client) SeekProc(ctx context.Context, name, offset string) (ProcInfo, error) {
	w, err := admin[wireProc](ctx, c, "seekProc", seekArgs{name, offset})
	return w.info(), err
}

// Procs is as Node.Procs.
func (c *Client) Procs(ctx context.Context) ([]ProcInfo, error) {
	return infos(admin[[]wireProc](ctx, c, "procs", noArgs{}))
}

func infos(list []wireProc, err error) ([]ProcInfo, error) {
	if err != nil {
		return nil, err
	}
	out := make([]ProcInfo, len(list))
	for i, w := range list {
		out[i] = w.info()
	}
	return out, nil
}

// SystemProc is as Node.SystemProc. The processor runs in this process, as long
// as the client is open.
func (c *Client) DefineSystemProc(ctx context.Context, o SystemProcOptions) ([]ProcInfo, error) {
	if _, err := o.system(); err != nil { // names that are no UTF-8 would become others on the way
		return nil, err
	}
	list, err := infos(admin[[]wireProc](ctx, c, "systemProc", systemProcArgs{o}))
	if err != nil {
		return nil, err
	}
	if o.Processor != nil {
		name := o.ProcessorName
		if name == "" {
			name = o.Name
		}
		c.pipes.register(name, o.Processor)
	}
	if err := c.pipes.attach(ctx, c, o.Name); err != nil {
		return nil, err
	}
	for i := range list { // it may run by now
		if list[i], err = c.InspectProc(ctx, list[i].Name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SystemProcs is as Node.SystemProcs.
func (c *Client) SystemProcs(ctx context.Context) ([]SystemProcInfo, error) {
	list, err := admin[[]SystemProcInfo](ctx, c, "systemProcs", noArgs{})
	for i := range list { // the node knows of its own processors
		list[i].Running = list[i].Running || len(list[i].Command) == 0 && c.pipes.has(list[i].Processor)
	}
	return list, err
}

// Register is as Node.Register, for processors that run in this process.
func (c *Client) Register(name string, p Processor) error {
	if err := checkProcessor(name, p); err != nil {
		return err
	}
	c.pipes.register(name, p)
	return c.pipes.attach(context.Background(), c)
}

// LiveProc is as Node.LiveProc.
func (c *Client) OpenLiveProc(ctx context.Context, o LiveOptions) (*LiveProc, error) {
	return NewLiveProc(ctx, c, o)
}

func (c *Client) definitions(ctx context.Context, names ...string) ([]*procstate.System, error) {
	return admin[[]*procstate.System](ctx, c, "definitions", namesArgs{names})
}

func (w wireStats) stats() Stats {
	s := w.Stats
	if w.Err != "" {
		s.Err = decodeError("", w.Err, nil)
	}
	return s
}
