// Package child tells a process that pipeproc started from its own executable
// what to run: by one environment variable, which is removed before anything
// else is started. It also waits for the end of such a process.
package child

import "os"

// Variable is the environment variable that says what the process is to do.
const Variable = "PIPEPROC_CHILD"

// Worker is the variable's value in a process that runs processors. Any other
// value is the configuration of a node, as JSON.
const Worker = "worker"

// TakeNode returns the configuration of a node, and reports whether this process was
// started to run one.
func TakeNode() (config string, ok bool) {
	if kind, ok := os.LookupEnv(Variable); !ok || kind == Worker {
		return "", false
	}
	return Take()
}

// Take returns what this process is to do, and reports whether it was started by
// pipeproc. A second call reports false.
func Take() (kind string, ok bool) {
	if kind, ok = os.LookupEnv(Variable); ok {
		_ = os.Unsetenv(Variable)
	}
	return kind, ok
}
