package program

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// setGroup gives the process of cmd a process group of its own, and makes it
// die with this process. See tend for the condition.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process of cmd has ended. Its pid is not reused
// until cmd.Wait is called.
func awaitExit(cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case err == nil:
			return
		case !errors.Is(err, unix.EINTR): // waitid is not permitted
			_ = cmd.Wait()
			return
		}
	}
}
