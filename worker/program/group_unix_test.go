//go:build unix

package program

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A program that has left the group that it was given gets the signal all the same.
func TestSignalReachesWhoLeft(t *testing.T) {
	const role = "PIPEPROC_TEST_LEAVES"
	if os.Getenv(role) != "" {
		parent, err := syscall.Getpgid(os.Getppid())
		if err == nil {
			err = syscall.Setpgid(0, parent)
		}
		fmt.Println("left", err)
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSignalReachesWhoLeft$")
	cmd.Env = append(os.Environ(), role+"=1")
	setGroup(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "left <nil>\n" {
		t.Fatal(line, err)
	}
	groupOf(cmd.Process).signal(syscall.SIGKILL)
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Error(err)
	}
}
