// Package program runs any program as a [worker.Processor]: it is started once,
// is given records as lines of JSON on its stdin, and answers with lines of JSON
// on its stdout.
//
// # The protocol, version 1
//
// Everything is UTF-8. A line is one JSON object and ends with a newline, byte
// 0x0A. The node writes no other newline, and none of the characters U+0085,
// U+2028 and U+2029, which some readers take for the end of a line. The program
// may put spaces and tabs between the tokens of its lines, and may end them with
// "\r\n". It must flush its output: after each line, or at the latest before it
// reads from a stdin that has nothing for it.
//
// The greeting. The first line that a program gets is
//
//	{"pipeproc":1,"proc":"NAME"}
//
// with the version of the protocol and the name of the proc, if there is one.
// The first line that it writes, within [Options].StartTimeout of its start, is
//
//	{"pipeproc":1}
//
// with the version that it speaks, which must not be higher than the node's. It
// need not have read the node's line before. With "exact":true in it the program
// gets bodies as strings, see below. Other fields are for later versions, and are
// ignored.
//
// Records. From then on the program gets one line for each record:
//
//	{"n":17,"topic":"in","id":"1700000000000-5","key":"k","attempt":1,"body":BODY}
//
// The fields, in this order, without a space between the tokens:
//
//   - n: a number that names the record towards this process. It counts from 1
//     and rises by 1 from line to line. It is the first field.
//   - topic: what the record is from.
//   - id: the record's id, milliseconds-sequence.
//   - key: if it has one. "keyEncoding":"base64" follows a key that is not
//     UTF-8, and is written in base64 for that.
//   - headers: if it has any, [["name","value"],…]. A header that is not UTF-8
//     has both in base64, and "base64" as third element.
//   - attempt: how often the claim that the record is in has been delivered,
//     with this time. It is 1 as long as nothing fails.
//   - encoding: "base64" if the body is so encoded, else it is absent.
//   - body: the last field, so that a script can cut it out. The stored bytes
//     as they are, but without spaces, if they are valid JSON; a string if they
//     are other UTF-8; else a string in base64. A stored JSON string and the
//     same text stored without quotes look alike. A program that asked for exact
//     bodies gets a string in any case: the stored bytes, in base64 if they are
//     not UTF-8.
//
// base64 is the standard alphabet with padding, on both sides.
//
// Answers. The program writes one line for each record, in any order, in one of
// these forms:
//
//	{"n":17}
//	{"n":17,"out":[BODY,…]}
//	{"n":17,"records":[RECORD,…]}
//	{"n":17,"error":"text"}
//
// The order of the fields does not matter. A field whose value is null is the
// same as no field. Unknown fields, and fields that come twice, are refused.
//
//   - n alone: the record is done.
//   - out: the record is done, and each BODY becomes a record in each of the
//     proc's output topics. A string is stored as its text, any other JSON value
//     as JSON without spaces.
//   - records: the same, for records that need more than a body. A RECORD is an
//     object with the fields body, which must be there, encoding, key,
//     keyEncoding, headers and topic, of which only the given topic then gets
//     the record. encoding says how body is to be stored: "utf8" is a string's
//     text, "base64" its decoded bytes, "json" the JSON value itself, also of a
//     string. Without it, body is stored as it is in out. keyEncoding and
//     headers are as in the node's lines.
//   - error: the record has failed, and with it its claim, which is delivered
//     again whole.
//
// Claims. Records come in claims, which the program does not see. All lines of a
// claim are written without waiting for answers. When each record has exactly
// one answer, what came out of all of them is committed in the order of the
// records, together with the acknowledgement: all of it, or none of it if one
// has failed. Then the next claim begins. While there is none, a program must
// not write anything.
//
// Shared programs. Several procs can share a program ([Program.Processor]). The
// node's greeting names no proc then. Before the first record of a proc, and
// again when its definition has changed, a process gets the line
//
//	{"proc":"NAME","processor":"TEXT","source":"TEXT"}
//
// which it does not answer. The line of a record then has two more fields after
// n: "proc" with the name, and "more" with how many records of the same claim
// follow, so that a program can handle a claim as one. [Serve] is this side of
// it in Go.
//
// The end. The node closes the program's stdin. The program ends then; what it
// still writes is ignored. After Options.StopGrace its process group gets
// SIGTERM, and after as long again SIGKILL. A node that is killed closes stdin
// too.
//
// stderr is free text. Its lines go to the node's log, cut at 4096 bytes, and at
// most 50 of a process in a second.
//
// # What is garbage
//
// A line that is no such object, that is not UTF-8, nests deeper than 10,000
// levels or is longer than Options.MaxLine; an n that is unknown or was answered
// before; output of more than Options.MaxOutput; and a line that nobody asked
// for. The program is killed with its process group, as it is when a claim's
// time is over. The claim that ran fails, and no other.
//
// # Processes
//
// Each runs one claim at a time, in a process group of its own, and is started
// when it is needed. One that has ended is replaced after a wait of 10 ms, which
// doubles with each failure up to 3 s, and begins anew after a claim that was
// answered. A claim waits for a process as long as its context allows.
//
// A process costs three goroutines, one of which keeps a thread, and three
// descriptors. While a claim runs it may take, whatever the program writes,
// about twice Options.MaxLine and three times Options.MaxOutput, and memory for
// the longest line that it is sent; between claims, a few MiB at most.
//
// On Linux the program is killed when the node dies. What it has started itself
// is not: that sees the end of stdin, if it reads it. No signal reaches a process
// that has left its process group.
//
// On Windows a process is in a job with what it starts, and is killed where it would
// get SIGTERM. Both end with the node.
//
// The version of the module covers this package, and what its signatures name.
package program
