// Package once remembers, for each client, the replies of its latest commands,
// so that a command that is resent, because the connection broke before the
// reply came, is answered and not applied twice.
//
// A client numbers its commands from 1 and sends with each the number below
// which it has all replies (the floor). Replies below the floor are forgotten;
// every applied command at or above it has its reply here. It is a state
// machine like the others: the key is staged, applied, encoded and snapshotted
// with the command itself, so that both are there or neither.
//
// It is bounded in replies and bytes per client, and in clients. The client
// that has been silent for longest is dropped first, and none within an hour
// unless there are very many. A command resent after that gives ErrForgotten:
// whether it was applied is no longer known.
//
// It knows no connections and does not authenticate clients: it identifies them
// by a number.
package once
