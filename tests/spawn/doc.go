// Package spawn tests nodes in processes of their own: spawned, served,
// killed, with worker processes and clients in further processes. Its test binary
// is all of these programs.
package spawn
