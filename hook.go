package pipeproc

import (
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/hook"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker/pipeline"
)

func init() {
	hook.Engine = func(node any) *engine.Engine { return node.(*Node).e }
	hook.Pipelines = func(node any) *pipeline.Manager { return node.(*Node).pipes }
	hook.Batch = func(batch any) (*topics.Batch, *uint64) {
		b := batch.(*Batch)
		return &b.b, &b.req.Position
	}
}
