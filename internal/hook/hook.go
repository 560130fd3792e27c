// Package hook gives package rpc access to the internals of a node and of a
// batch, which the root package does not export. Only the root package sets the
// functions, when it is initialised; they never change after that.
//
// A test (tests/rules) lists what rpc uses of it, so that the list stays short.
package hook

import (
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker/pipeline"
)

var (
	// Engine returns the engine of a *pipeproc.Node.
	Engine func(node any) *engine.Engine
	// Pipelines returns the pools of a *pipeproc.Node.
	Pipelines func(node any) *pipeline.Manager
	// Batch returns the records of a *pipeproc.Batch, and where its position goes
	// when it was committed.
	Batch func(batch any) (recs *topics.Batch, position *uint64)
)
