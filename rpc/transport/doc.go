// Package transport carries calls between a node and its clients, with one
// reply or a stream of items each, many at a time over one connection, in
// checksummed frames over unix sockets, TCP or TLS. It knows no records, topics
// or procs: a method is a number, a body is bytes.
//
// A [Server] answers the calls of clients with a [Handler]. A client gets a
// [Conn] from [Dial]. [ParseAddr], [Namespace] and [Listen] deal with
// addresses, [LoadServerTLS] and [LoadClientTLS] with certificates.
//
// # Promises
//
//   - No changed byte of a body reaches the other side: a frame with a wrong
//     checksum ends its connection, and no other.
//   - Every call ends, with one reply, one error, or the end of the connection.
//     A handler that panics or returns without an answer fails only its call.
//   - Nothing is allocated because of a length that a peer claims: memory grows
//     with the bytes that have arrived, up to limits. In the node, a connection
//     holds at most MaxBuffered, MaxQueued, about 256 KiB, and what its
//     MaxInFlight handlers need themselves; the requests of all connections
//     hold at most MaxMemory together, beside 64 KiB for each. A request's buffer
//     may be four times as large as its content, and is usually less than twice.
//   - Of a request that ServerOptions.Refuse refuses nothing is kept.
//   - A peer that is slow or silent, floods, or sends garbage harms only its
//     own connection. One that reads nothing, or stops within a frame, is
//     dropped after a timeout.
//   - Ordered calls have turns in the order in which their requests began. One whose
//     request does not go on holds up the later ones of its connection, and only
//     until a timeout ends that.
//   - An idle connection costs no timer and no wake-up.
//   - A call that returns ErrNotSent never reached a handler, nor did one that
//     the node answered with going_away.
//
// # What it does not promise
//
// There is no retry: a call whose connection breaks may or may not have been
// carried out. There is no order between calls in flight, except that of
// ServerOptions.Ordered, and that they begin in the order in which their requests end
// on the wire. A peer's identity
// is what TLS or the mode of the socket's file establishes; the name and id
// that it sends are not verified. The checksum does not protect against
// deliberate changes; TLS does. A client finds out that its node is
// gone while calls wait, by pings (DialOptions.DeadAfter); a node leaves that to the
// system, which asks a client's machine within 30 s: a client may be busy for as long
// as it likes.
//
// # The protocol
//
// This section is all that a client in another language needs. Integers are
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
//	     9    1  flags: 1 = the message continues in a later frame; others are 0
//	    10    2  method in a request, else 0
//	    12    4  0
//	    16    8  stream
//	    24    n  payload
//
// Kinds, their senders and their payloads:
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
// more frames of one stream; all except the last have flag 1 and are not empty.
// Frames of different streams may be interleaved in any order. Each frame of a
// request has the method; the timeout is in the first only.
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
//	             anything after it is for later versions and ignored
//
// There is one version, 1, and there are no features yet. A feature in the
// upper 16 bits is required: a node that does not know it refuses the client. A
// peer ignores other features that it does not know.
//
// The client speaks first and waits for the welcome. A node that receives
// anything other than a hello closes the connection without an answer. It
// answers a hello that it cannot accept with an error on stream 0:
// unsupported_version, overloaded, going_away, protocol_error.
//
// A call is a request on a stream that the client chooses: not 0, and never
// twice on a connection. The node answers it with one reply, or with any number
// of items and an end, depending on the method. An error takes the place of a
// reply or an end. After reply, error or end the stream is over.
//
// Items are limited by credit. A stream begins with the credit of the hello; an
// item takes its length and 64 from it. The node sends an item of any size
// while the credit is positive, and none while it is zero or less. The client
// adds to it with a credit frame when it has consumed items.
//
// Cancel ends the context of a call. The stream is over only with the answer,
// which is then usually the error "canceled". A cancel or credit for a stream
// that is over is ignored. A client that cancels a request before it has sent
// its end sends no more of it.
//
// A client keeps to the limits of the welcome: the number of streams that are
// not over, and the sum of their requests' sizes with 512 added for each. When
// a client exceeds them, the node stops reading until calls have ended, and so
// sees no cancel or credit meanwhile. It ends the connection if that takes
// long, or if unfinished requests alone exceed the limits. It also stops
// reading while its answers are not read.
//
// Goaway says that the node begins no more calls. Those in flight are answered;
// those that arrive later get the error going_away, and were not begun. A
// client closes the connection when it has all its answers; if it does not, the
// node does, one second after the last one.
//
// An error on stream 0 says why the sender ends the connection, which it then
// does. A peer that receives what this page does not allow sends one:
// protocol_error. The codes that the transport itself sends are the Code
// constants of this package. Texts are for people.
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
// where TMP is the environment's TMPDIR, or /tmp if that is not set or empty,
// UID the effective user id in decimal, and NAME the namespace: 1 to 64 letters
// of ASCII, digits, '_' and '-'. The node creates the folder with mode 0700. A
// client must check that it is a directory and not a symbolic link, that it
// belongs to the user, and that its mode lets nobody else in.
//
// Beside a socket the node keeps PATH.lock, locked with flock(2), with its
// process id as text. A node that gets the lock removes a socket that refuses
// connections, and binds it anew. Both files are removed when it stops
// listening, if they are still the same files. A file of that name is refused,
// and left as it is, if it belongs to another user, has another name as well, or
// holds anything but the number of a process. A relative path is that of the
// working directory at the time of Listen or Connect, unless it would then be
// too long for a socket.
//
// The version of the module covers of this package only Addr, Listener, ListenOptions,
// Peer and TLSFiles,
// which covered packages name in their signatures.
package transport
