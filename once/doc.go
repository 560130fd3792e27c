// Package once remembers, for each client, the replies of its latest commands,
// so that a command that is sent again, because the connection broke before the
// reply came, is answered and not done twice.
//
// A client numbers its commands from 1 and says with each of them below which
// number it has all replies (the floor). What lies below the floor is forgotten;
// of what lies above, every command that was applied has its reply here. It is a
// state machine like the others: the key is staged, applied, encoded and
// snapshotted with the command itself, so that both are there or neither.
//
// It is bounded: replies and bytes for each client, and clients, of which those
// go first that have been silent for longest, and none for an hour unless there
// are very many. A command sent again after that is ErrForgotten: nobody knows
// any more whether it was done.
//
// It knows no connection and does not ask who a client is: a number is enough.
package once
