// Package rpc is a store in another process: Serve lets clients use a node,
// Connect makes a Client, which is a pipeproc.Store like the node itself, and Spawn
// runs a node in a child process.
//
//	// The process that has the store:
//	l, err := rpc.Listen(ctx, "unix:///run/shop/node.sock", nil)
//	…
//	err = rpc.Serve(ctx, node, l, nil) // until ctx ends
//
//	// Another process:
//	store, err := rpc.Connect(ctx, "unix:///run/shop/node.sock", nil)
//
// Addresses are unix:///path, tcp://host:port, which is not encrypted, and
// tls://host:port, with certificates on both sides.
//
// # Promises
//
// A command that a client sends is done once, however often the connection breaks or
// the node is restarted, or its error is pipeproc.ErrOutcomeUnknown. Commands of one
// client take effect in the order in which it began to send them, whatever their size,
// also when the connection breaks; one that fails does not stop the next. A claim, and a
// wait, sees all commands before it. A client can do
// what ServeOptions.Access says. Over TCP and TLS it can run only the programs that
// ServeOptions.AllowExec permits; over a unix socket it is the same user and can run
// anything.
//
// # What it does not promise
//
// Goroutines that call at the same moment begin to send in any order. Reads do not wait
// for commands that have no answer yet. A client that may write can fill the disk. See SECURITY.md.
//
// # Layers
//
// Package rpc/message defines the contents of the calls, package rpc/transport how
// frames, calls and streams cross a socket. This package connects both with a node.
// The version of the module covers this package and what its signatures name, not the
// two below it.
package rpc
