package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// variable is the environment variable that makes the test binary a child.
const variable = "PIPEPROC_TEST_ROLE"

// Main returns in a process that is to run the tests. In a child it plays its role
// with the arguments that Command was given, and ends the process.
func Main(roles map[string]func(args []string) error) {
	role := os.Getenv(variable)
	if role == "" {
		return
	}
	_ = os.Unsetenv(variable) // its own children are something else
	play := roles[role]
	if play == nil {
		fmt.Fprintf(os.Stderr, "child: unknown role %q\n", role)
		os.Exit(2)
	}
	if err := play(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command returns a child that is killed when ctx ends. A program that is to run it,
// such as strace, is put before it.
func Command(ctx context.Context, before []string, role string, args ...string) *exec.Cmd {
	line := append(append(before[:len(before):len(before)], os.Args[0]), args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+role)
	return cmd
}

// Child is a process that runs.
type Child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	stderr strings.Builder
}

// Start starts a process. Its standard input is open until End is called or this
// process ends.
func Start(t testing.TB, cmd *exec.Cmd) *Child {
	t.Helper()
	c := &Child{cmd: cmd}
	if cmd.Stderr == nil {
		cmd.Stderr = &c.stderr
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin, c.stdout = in, bufio.NewReaderSize(out, 64<<10)
	return c
}

// Line returns the next line that the child wrote, without its end. Once the child
// has closed its standard output it reports false: what is left of a line was never
// written whole.
func (c *Child) Line() (string, bool) {
	line, err := c.stdout.ReadString('\n')
	if err != nil {
		return "", false
	}
	return strings.TrimSuffix(line, "\n"), true
}

// Pid returns the process id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// End closes the standard input.
func (c *Child) End() { _ = c.stdin.Close() }

// Kill kills the process, if it has not ended.
func (c *Child) Kill() { _ = c.cmd.Process.Kill() }

// Wait waits for the end and returns how it came: nil for an exit code of 0. Read all
// lines first.
func (c *Child) Wait() error {
	defer c.End()
	return c.cmd.Wait()
}

// Stderr returns what the child wrote to its standard error, if the command had no
// other place for it. Call it after Wait.
func (c *Child) Stderr() string { return c.stderr.String() }

// Killed reports whether err, from Wait, says that the process was killed.
func Killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	s, ok := exit.Sys().(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}
