package worker

// Program describes a system proc whose processor is a program.
type Program struct {
	Name      string   // of the system proc
	Processor string   // name of the processor, for a program that has several
	Command   []string // the program and its arguments
	Source    string   // text that the program is given
	Topics    int      // how many topics it reads, each with a proc of its own
	Lanes     int      // of one claim
}

// A Runner runs system procs that have a Command, in processes of its own. A node
// that was opened without one keeps such procs waiting. Its methods are safe for
// concurrent use.
type Runner interface {
	// Missing says why p cannot be run, or "" if it can.
	Missing(p Program) string
	// Attach returns the processor of p and counts it as used until Detach. It
	// replaces what was attached under p.Name before. It starts no process yet.
	Attach(p Program) (Processor, error)
	// Detach gives up what was attached for a system proc. Its processes end,
	// once their claims are finished, if nothing else uses them.
	Detach(name string)
	// Processes is how many claims can run side by side.
	Processes() int
	// Close ends all processes and waits for them. It is called once, after the
	// last processor has returned.
	Close() error
}
