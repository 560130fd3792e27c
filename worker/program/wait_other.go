//go:build !linux

package program

import "os/exec"

// awaitExit returns when the process of cmd has ended.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
