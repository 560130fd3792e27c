package process

import "github.com/pipeproc/pipeproc/internal/selfcheck"

// The tests that import this package commit under the check that every command
// decodes.
func init() { selfcheck.On = true }
