package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
)

// machines is the whole state of a node. The machines do not know each other: what one
// has to learn of another's change it is told here, when a command is applied and when
// it is replayed.
type machines struct {
	reg   *topics.Registry
	procs *procstate.Machine
	rules *gcprune.Machine
	once  *once.Machine
}

func newMachines(c topics.Config) machines {
	return machines{reg: topics.NewRegistry(c), procs: procstate.New(c.Epoch), rules: gcprune.New(), once: once.New()}
}

// restoreSection restores one section of the snapshot at position pos.
func (m machines) restoreSection(kind uint32, payload []byte, pos uint64) error {
	switch kind {
	case secRegistry:
		return m.reg.RestoreRegistry(payload)
	case secTopic:
		return m.reg.RestoreTopic(payload, pos)
	case secKept:
		return m.reg.RestoreKept(payload)
	case secProcs:
		return m.procs.RestoreHead(payload)
	case secProc:
		return m.procs.Decode(procstate.OpProc, payload)
	case secSystem:
		return m.procs.Decode(procstate.OpSystem, payload)
	case secPolicy:
		return m.rules.Decode(gcprune.OpPolicy, payload)
	case secClient:
		return m.once.Restore(payload)
	}
	return errs.Version.With(fmt.Sprintf("snapshot section of kind %d; use a newer pipeproc", kind))
}

// applyDecoded applies one operation of a replayed command at position pos. The caller
// publishes the position once, after the command's last operation.
func (m machines) applyDecoded(op *decodedOp, pos uint64, ms int64) error {
	switch op.kind {
	case opCreate:
		if _, _, err := m.reg.StageCreate(op.name, op.opts); err != nil {
			return err
		}
		m.reg.ApplyCreate(op.id, op.name, op.opts, pos, ms)
		return nil
	case opAppend:
		if t := m.reg.TopicByID(op.id); t != nil && t.NeverWritten() && len(op.blocks) > 0 && op.blocks[0].Base > 0 {
			m.procs.TopicBegins(t.Name(), op.blocks[0].Base)
		}
		return m.reg.ApplyAppend(op.id, op.blocks, pos, ms)
	case opPrune:
		return m.reg.ApplyPrune(op.id, op.first, ms)
	case opDelete:
		return m.deleteTopic(op.id, pos, ms)
	case procstate.OpProc, procstate.OpState, procstate.OpGone, procstate.OpSystem, procstate.OpSystemGone:
		if mutate.SkipProcReplay && op.kind == procstate.OpState {
			return nil
		}
		return m.procs.Decode(op.kind, op.rest)
	case gcprune.OpPolicy, gcprune.OpPolicyGone:
		return m.rules.Decode(op.kind, op.rest)
	case once.OpReply:
		return m.once.Decode(op.rest, ms)
	}
	return errs.Version.With(fmt.Sprintf("command with operation %d", op.kind))
}

// deleteTopic deletes a topic and what other machines hold about it.
func (m machines) deleteTopic(id, pos uint64, ms int64) error {
	t := m.reg.TopicByID(id)
	if err := m.reg.ApplyDelete(id, pos, ms); err != nil {
		return err
	}
	m.procs.TopicGone(t.Name())
	m.rules.TopicGone(id)
	return nil
}

// publish makes all commands up to pos visible: records first, so that an
// acknowledgement never shows before the records committed with it.
func (m machines) publish(pos uint64, changed func(*procstate.Proc, *procstate.State)) {
	if mutate.PublishProcsFirst {
		m.procs.Publish(changed)
		mutate.Pause()
	}
	m.reg.Publish(pos)
	m.procs.Publish(changed)
	m.rules.Publish()
	m.once.Publish()
}

// captured is the whole state at the position of a checkpoint.
type captured struct {
	topics  *topics.Checkpoint
	procs   *procstate.Captured
	rules   []*gcprune.Entry
	clients []once.Captured
}

// write writes the sections of a snapshot. The topics must have been flushed.
func (c *captured) write(w *snapWriter) {
	w.section(secRegistry, c.topics.AppendRegistry)
	for i := range c.topics.Topics {
		k := &c.topics.Topics[i]
		w.section(secTopic, k.Append)
		k.EachKept(func(fill func([]byte) []byte) { w.section(secKept, fill) })
	}
	c.procs.Sort()
	w.section(secProcs, c.procs.AppendHead)
	for _, s := range c.procs.Procs {
		if mutate.SkipProcSnapshot {
			break
		}
		w.section(secProc, func(dst []byte) []byte { return procstate.AppendProc(dst, s) })
	}
	for _, s := range c.procs.Systems {
		w.section(secSystem, func(dst []byte) []byte { return procstate.AppendSystem(dst, s) })
	}
	for _, p := range c.rules {
		w.section(secPolicy, func(dst []byte) []byte { return gcprune.AppendPolicy(dst, p.Topic, p.Policy) })
	}
	for i := range c.clients {
		w.section(secClient, c.clients[i].Append)
	}
}
