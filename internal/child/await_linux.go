package child

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// AwaitExit returns when the process of cmd has ended. Its pid is not reused
// until cmd.Wait is called.
func AwaitExit(cmd *exec.Cmd) {
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
