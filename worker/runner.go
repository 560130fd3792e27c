package worker

// Command describes a system proc whose Processor is an external program. It is
// what a Runner needs to know of the definition; the running program is a
// [github.com/pipeproc/pipeproc/worker/program.Program].
type Command struct {
	Name      string   // of the system proc
	Processor string   // which processor, for a program that has several; the Go function is a [Processor]
	Args      []string // the program and its arguments
	Source    string   // text given to the program
	Topics    int      // number of topics it reads, each with a proc of its own
	Lanes     int      // lanes per claim
}

// Runner runs system procs that have a Command, in processes of its own;
// package worker/program has the implementation. A node that was opened without
// one keeps such procs waiting. Its methods are safe for concurrent use.
type Runner interface {
	// Missing returns why p cannot be run, or "" if it can.
	Missing(p Command) string
	// Attach returns the processor of p and counts p as a user of its program
	// until Detach. It replaces what was attached under p.Name before. It does
	// not start a process yet.
	Attach(p Command) (Processor, error)
	// Detach gives up what was attached for a system proc. Its processes end,
	// after their current claims, unless another system proc uses them.
	Detach(name string)
	// Processes returns how many claims can run side by side.
	Processes() int
	// Close ends all processes and waits for them. It is called once, after the
	// last processor has returned.
	Close() error
}
