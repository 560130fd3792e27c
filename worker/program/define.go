package program

import (
	"github.com/pipeproc/pipeproc/worker"

	"github.com/pipeproc/pipeproc/internal/jsontext"
)

// Definition is what one of the procs that share a program is. It is told to
// each process before the first record of the proc.
type Definition struct {
	Processor string // which processor, in words of the program
	Source    string // anything else that the program must know: a path, a script
}

// Processor returns the processor of a proc that shares the program with
// others, which go by name. Each call makes another definition, which takes
// the place of the one before of the same proc.
func (p *Program) Processor(d Definition) worker.Processor { return boundProgram{p, &d}.process }

// definition is the line about a proc.
func definition(dst []byte, proc string, d *Definition) []byte {
	dst = append(dst, `{"proc":`...)
	dst = jsontext.AppendText(dst, proc)
	dst = append(dst, `,"processor":`...)
	dst = jsontext.AppendText(dst, d.Processor)
	dst = append(dst, `,"source":`...)
	dst = jsontext.AppendText(dst, d.Source)
	return append(dst, '}', '\n')
}
