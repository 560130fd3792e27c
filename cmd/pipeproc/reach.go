package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// reach says what a command works on, if it cannot work on both a directory and
// a running node.
type reach string

const (
	reachDir   reach = "a directory"
	reachNode  reach = "a running node"
	reachServe reach = "both"
)

const reachKey = "reach"

// only marks commands by what they work on.
func only(r reach, cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{reachKey: string(r)}
	return cmd
}

// checkReach refuses flags that conflict with each other or with the command.
func (a *app) checkReach(cmd *cobra.Command, _ []string) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	r := reach(cmd.Annotations[reachKey])
	if r == reachServe {
		if given("connect") {
			return fmt.Errorf("--connect is where a client connects to; --listen is where a node listens")
		}
		return nil
	}
	for _, x := range []string{"connect", "namespace"} {
		if !given(x) {
			continue
		}
		if r == reachDir {
			return fmt.Errorf("%s works on a directory, not on a running node: it needs --dir instead of --%s", cmd.Name(), x)
		}
		for _, y := range []string{"namespace", "dir", "sync"} {
			if x != y && given(y) {
				return fmt.Errorf("--%s and --%s exclude each other", x, y)
			}
		}
	}
	for _, x := range []string{"dir", "sync"} {
		if r == reachNode && given(x) {
			return fmt.Errorf("%s works on a running node: it takes --connect or --namespace, not --%s", cmd.Name(), x)
		}
	}
	if a.tls.given() && a.addr.Scheme != transport.SchemeTLS && a.addr.Scheme != transport.SchemeTCP {
		return fmt.Errorf("--tls-cert, --tls-key and --tls-ca go with --connect tls://host:port")
	}
	return nil
}
