package program

import (
	"github.com/pipeproc/pipeproc/worker"

	"github.com/pipeproc/pipeproc/internal/jsontext"
)

// Definition tells a shared program how to handle one of its procs. Each
// process gets it before the first record of the proc.
type Definition struct {
	Processor string // name of the processor within the program
	Source    string // anything else that the program needs: a path, a script
}

// Processor returns the processor of a proc that shares the program with other
// procs, which the program tells apart by name. Each call makes a new
// definition, which replaces the proc's previous one.
func (p *Program) Processor(d Definition) worker.Processor { return boundProgram{p, &d}.process }

// definition appends the line that defines a proc.
func definition(dst []byte, proc string, d *Definition) []byte {
	dst = append(dst, `{"proc":`...)
	dst = jsontext.AppendText(dst, proc)
	dst = append(dst, `,"processor":`...)
	dst = jsontext.AppendText(dst, d.Processor)
	dst = append(dst, `,"source":`...)
	dst = jsontext.AppendText(dst, d.Source)
	return append(dst, '}', '\n')
}
