package program

import (
	"os"
	"os/exec"
)

// pipes are this side's ends of the pipes to a process.
type pipes struct {
	stdin, stdout, stderr *os.File
}

// connect makes the pipes of cmd. The process's ends are set in cmd; the caller
// closes them once it has started.
func connect(cmd *exec.Cmd) (own pipes, err error) {
	var made []*os.File
	pipe := func() (r, w *os.File) {
		if err != nil {
			return nil, nil
		}
		if r, w, err = os.Pipe(); err == nil {
			made = append(made, r, w)
		}
		return r, w
	}
	in, stdin := pipe()
	stdout, out := pipe()
	stderr, errs := pipe()
	if err != nil {
		for _, f := range made {
			_ = f.Close()
		}
		return own, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	return pipes{stdin, stdout, stderr}, nil
}

// close closes all pipes and wakes blocked readers and writers with an error.
// It may be called again. Errors of closing a pipe carry no information.
func (p pipes) close() {
	_ = p.stdin.Close()
	p.closeOutput()
}

func (p pipes) closeOutput() {
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}
