package engine

import (
	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
)

// captured is the whole state at the position of a checkpoint.
type captured struct {
	topics  *topics.Checkpoint
	procs   *procstate.Captured
	rules   []gcprune.Entry
	clients []once.Captured
}

// write writes the sections of a snapshot, after the topics were flushed.
func (c *captured) write(w *snapWriter) {
	w.section(secRegistry, c.topics.AppendRegistry)
	for i := range c.topics.Topics {
		w.section(secTopic, c.topics.Topics[i].Append)
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
