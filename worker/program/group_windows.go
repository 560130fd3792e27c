package program

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// setGroup keeps Ctrl+C at the console from the process of cmd.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// group is a process with a job, which holds what the process starts. The system
// ends what is in it when the last handle is closed, as it is when this process
// ends.
type group struct {
	process *os.Process
	job     windows.Handle // 0: there is none, and signal reaches the process alone
}

// groupOf puts a process that was just started into a job. What it has started
// before is not in there.
func groupOf(p *os.Process) group {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return group{process: p}
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		noHandle := p.WithHandle(func(h uintptr) { err = windows.AssignProcessToJobObject(job, windows.Handle(h)) })
		if err == nil {
			err = noHandle
		}
	}
	if err != nil { // it may have ended already
		_ = windows.CloseHandle(job)
		return group{process: p}
	}
	return group{p, job}
}

// signal kills, whatever sig is: there is no SIGTERM.
func (g group) signal(syscall.Signal) {
	if g.job != 0 && windows.TerminateJobObject(g.job, 1) == nil {
		return
	}
	_ = g.process.Kill()
}

// close ends what is left. No signal follows.
func (g group) close() {
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
	}
}
