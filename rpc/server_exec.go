package rpc

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/worker/program"
)

// mayRun decides whether a client may run a program, and returns the command with
// the path that was checked, so that a link changed later makes no difference.
func (o *ServeOptions) mayRun(peer *transport.Peer, command []string) ([]string, error) {
	if len(command) == 0 || command[0] == program.CommandSelf || peer.Transport == transport.SchemeUnix {
		return command, nil
	}
	refused := errs.Forbidden.With(fmt.Sprintf("Command: clients that connect over %s may not have %q run; the node's operator can allow it with AllowExec (serve --allow-exec)", peer.Transport, command[0]))
	if !filepath.IsAbs(command[0]) {
		return nil, refused
	}
	path, err := filepath.EvalSymlinks(command[0])
	if err != nil {
		return nil, refused // which does not reveal what files exist
	}
	for _, allowed := range o.AllowExec {
		if allowed, err = filepath.EvalSymlinks(allowed); err != nil {
			continue
		}
		if allowed, err = filepath.Abs(allowed); err != nil {
			continue
		}
		if path == allowed || strings.HasPrefix(path, strings.TrimSuffix(allowed, "/")+"/") {
			return append([]string{path}, command[1:]...), nil
		}
	}
	return nil, refused
}
