// Package message is the second layer of the protocol between a node and its
// clients: what the calls and streams of package transport carry. Each message is
// one type with its encoding and its decoding; each JSON call is declared once and
// used by both sides.
//
// It promises that every Take function checks what it reads: lengths and counts
// against the bytes that are there, before anything is allocated. It does not send
// anything, and knows neither nodes nor connections.
//
// # Fields
//
// Integers are uvarints unless said otherwise. Names, text and bytes have their
// length in front. Zigzag integers are called varint.
//
//	key      sequence of the command, 0 for none | floor | again byte (1: it was sent before)
//	token    epoch | serial
//	id       time (varint, unix milliseconds) | sequence
//	range    count | if not 0: first id | last id
//	record   id | key | headers section | body
//	headers  { name | value }…, as in a record (package segment)
//	batch    topics, then the records as they are stored (topics/wire.go)
//
// # Methods
//
//	 1  session          nothing → stream: one empty item; open as long as the client is there
//	 2  commit           key, durability byte, 0 or 1 and proc and token to acknowledge, batch → position, range acknowledged, ids (topics/wire.go)
//	 3  ack              key, proc, token → range
//	 4  reclaim          key, proc, token, reason → range
//	 5  release          key, proc, token → nothing
//	 6  claim            key, proc, count (varint), and, if the client knows it, the topic that the proc must read → token, attempt, timeout in ms (varint), skipped, topic, range, records
//	 7  range            topic, flags byte, start, end, limit (varint) → stream, below
//	 8  get              topic, sequence → record
//	 9  length           topic → number
//	10  sync             nothing → nothing
//	11  wait for a record topic, sequence → nothing
//	12  wait for procs   count, names → nothing
//	13  wait for work    proc → nothing
//	14  watch            proc, topic → stream: an empty item at once, and whenever the proc may have become claimable
//	15  other calls      key, name, arguments as JSON → results as JSON
//
// A claim's count is a varint, negative for all there are; its topic, if the client
// knows it, is the one that the proc must read.
//
// # Ranges
//
// The flags of a range are: 1 exclusive, 2 reverse, 4 follow forever, 8 start and end
// are sequences (the first, and the one after the last) and not text, 16 blocks are
// sent uncompressed. Follow has sequences as well. The limit is a varint.
//
// The items of a range begin with a byte: 0 the span as two sequences, which comes
// first; 1 a block, with head and body as topics/wire.go says, of which records
// outside of the span do not count; 2 a count and records; 3 an error as code, text
// and details, after which the range continues. Blocks are sent as they are stored
// in the node's files; the client checks and unpacks them.
//
// # JSON calls
//
// Calls that are not made a thousand times a second carry the name of the call, its
// arguments as a JSON object, and its result as JSON. calls.go declares each with its
// types, whether it needs a key, and the right that it needs. Durations are
// nanoseconds.
//
// # Errors
//
// An error has the code that it would have in the node's own process; its details are
// JSON and hold what a typed error holds.
//
// # Keys
//
// A client has a random id and numbers its commands from 1. When a connection breaks
// before the answer came, it sends the command again under the same number, with the
// again byte set. The node remembers the answers to a client, even across a restart
// (package once), so a command is done once. The floor of a key is the lowest number
// that still lacks an answer; the node forgets the answers below it. A command whose
// answer was forgotten fails with outcome_unknown and is never done twice.
//
// # Order
//
// The commands of a connection (methods 2 to 6, and 15 with a key) take effect in the
// order in which their requests begin on it. A client gives out the numbers in that
// order. An error does not stop the next command; a claim holds up no other. Claims, and
// methods 10 to 13, see the commands whose requests began before theirs.
//
// A client opens its session first on each connection. The answer means that an older
// connection of the client is closed, and that each of its commands has taken effect or
// never will. The client then sends the commands without an answer again, in the order
// of their numbers, and new ones after them.
//
// The version of the module covers of this package only Access,
// which covered packages name in their signatures.
package message
