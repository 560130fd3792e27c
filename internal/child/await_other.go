//go:build !linux

package child

import "os/exec"

// AwaitExit returns when the process of cmd has ended.
func AwaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
