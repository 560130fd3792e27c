// Package transport is the transport between a node and its clients: calls, and
// streams of items, many at a time over one connection, in checked frames over
// unix sockets, TCP or TLS. It knows no records, topics or procs: a method is a
// number, a body is bytes.
//
// A [Server] answers the calls of clients with a [Handler]. A client gets a
// [Conn] from [Dial]. [ParseAddr], [Namespace] and [Listen] are about addresses,
// [LoadServerTLS] and [LoadClientTLS] about certificates.
//
// # Promises
//
//   - No byte of a body reaches the other side changed: a frame whose checksum
//     is wrong ends its connection, and no other.
//   - Every call ends, with one reply, one error, or the end of the connection.
//     A handler that panics or returns without an answer fails its call only.
//   - Nothing is allocated because of a length that a peer names: memory grows
//     with the bytes that have arrived, up to limits. What a connection may hold
//     in the node at most is MaxBuffered, MaxQueued, about 256 KiB, and what its
//     MaxInFlight handlers need for themselves. The buffers of requests may be
//     four times as large as what is in them, and are mostly less than twice.
//   - A peer that is slow, silent, floods, or sends garbage harms its own
//     connection only. One that reads nothing, or stops within a frame, is
//     dropped when its time is up.
//   - An idle connection costs no timer and no wake-up.
//   - A call that returns ErrNotSent was not seen by a handler, and neither was
//     one that the node answered with going_away.
//
// # What it does not promise
//
// There is no retry: a call whose connection breaks may have been done or not.
// There is no order between calls in flight, but that they begin in the order in
// which their requests end on the wire. A peer is who TLS, or the mode of the
// socket's file, says; what it calls itself is not verified. The checksum is no
// protection against somebody who changes bytes on purpose; TLS is. A dead peer
// behind a broken network is noticed by TCP's own keep-alives.
//
// # The protocol
//
// What follows is all that a client in another language needs. Integers are
// little endian and unsigned; sizes are in bytes. A connection is two sequences
// of frames, one each way.
//
// Frame:
//
//	offset size
//	     0    4  n, length of the payload, at most 1 MiB (1,048,576)
//	     4    4  checksum: the low 32 bits of xxHash64, seed 0, of bytes 8 to 23
//	             and the payload
//	     8    1  kind
//	     9    1  flags: 1 = the message goes on in a later frame; others are 0
//	    10    2  method in a request, else 0
//	    12    4  0
//	    16    8  stream
//	    24    n  payload
//
// Kinds, who sends them, and their payload:
//
//	 1 hello    client  see below; once, first; stream 0
//	 2 welcome  node    see below; once, first; stream 0
//	 3 request  client  u32 timeout in milliseconds, 0 = none | body
//	 4 reply    node    body
//	 5 error    both    u16 length | code | u16 length | text | details to the end
//	 6 item     node    body
//	 7 end      node    nothing
//	 8 credit   client  u32 bytes
//	 9 cancel   client  nothing
//	10 goaway   node    text; stream 0
//	11 ping     both    nothing; any stream but 0
//	12 pong     both    nothing; the stream of the ping
//
// Requests, replies and items are messages. A message is the payloads of one or
// more frames of one stream, all but the last with flag 1 and none of these
// empty. Frames of different streams may come in any order between each other. A
// request has its method in each frame, and its timeout in the first.
//
// Hello and welcome have one layout:
//
//	offset size
//	     0    6  "PPRPC\n"
//	     6    2  least version of the protocol; in a welcome the chosen one
//	     8    2  greatest version; in a welcome the chosen one
//	    10    2  0
//	    12    4  features; in a welcome those of the hello that will be used
//	    16    4  largest message that the sender takes, at least 1024
//	    20    4  credit that every stream begins with; in a welcome 0
//	    24    4  calls in flight that the node takes; in a hello 0
//	    28    4  bytes of requests in flight that the node takes; in a hello 0
//	    32   16  id of the client, of the node
//	    48    8  epoch of the node's store; in a hello 0
//	    56    2  length of the name, at most 255
//	    58       name of the client, software of the node; UTF-8
//	             whatever follows is for later versions and ignored
//
// There is one version, 1, and there are no features yet. A feature in the upper
// 16 bits is required: a node that does not know it refuses the client. Others
// are ignored by who does not know them.
//
// The client speaks first and waits for the welcome. A node that gets something
// else than a hello closes the connection without a word. A hello that it cannot
// accept it answers with an error on stream 0: unsupported_version, overloaded,
// going_away, protocol_error.
//
// A call is a request on a stream that the client chooses: not 0, and never
// twice on a connection. The node answers it with one reply, or with any number
// of items and an end; which, the method says. An error takes the place of a
// reply or an end. After reply, error or end the stream is over.
//
// Items are held back by credit. A stream begins with the credit of the hello;
// an item takes its length and 64 from it. The node sends an item of any size
// while there is credit left, and none while it is zero or less. The client adds
// to it with a credit frame when it has used items.
//
// Cancel ends the context of a call. The stream is over only with the answer,
// which is then mostly the error "canceled". A cancel or credit for a stream that
// is over is ignored. A client that cancels a request that it has not sent to
// its end sends no more of it.
//
// A client keeps to the limits of the welcome: streams that are not over, and
// the sum of their requests with 512 for each. From one that does not, a node
// stops reading until calls have ended, so that it sees no cancel or credit
// meanwhile; it ends the connection when that takes long, or when unfinished
// requests alone pass the limits. It also stops reading while its answers are
// not read.
//
// Goaway says that the node begins no more calls. Those in flight are answered;
// those that come later get the error going_away, and were not begun. A client
// closes the connection when it has all its answers; if it does not, the node
// does a second after the last one.
//
// An error on stream 0 says why the sender ends the connection, which it then
// does. A peer that gets what this page does not allow sends one: protocol_error.
// Codes that the transport itself sends are the Code constants of this package.
// A text is for people.
//
// # Addresses
//
//	unix:///path      a unix socket, of mode 0600; ipc:///path is the same
//	tcp://host:port   [::1]:7000 for IPv6
//	tls://host:port   TLS 1.3, or 1.2 if both allow it; both have certificates
//
// A namespace is the socket
//
//	TMP/pipeproc-UID/NAME.sock
//
// where TMP is the environment's TMPDIR, or /tmp if that is not set or empty, UID
// the effective user id in decimal, and NAME the namespace: 1 to 64 letters of
// ASCII, digits, '_' and '-'. The folder is made by the node, with mode 0700. Who
// connects must see that it is a directory and no symbolic link, that it belongs
// to the user, and that its mode lets nobody else in.
//
// Beside a socket the node keeps PATH.lock, locked with flock(2), with its
// process id as text. A node that gets the lock removes a socket that refuses
// connections, and binds it anew. Both files go when it stops listening.
package transport
