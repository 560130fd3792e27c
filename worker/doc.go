// Package worker runs processors in this process: a pool of goroutines claims
// records for procs, calls a function with them, and acknowledges them together
// with what the function emitted.
//
// It takes its work from a [Source], which claims and acknowledges. It knows no
// store, no files and no clock but timers.
//
// # Promises
//
//   - Procs are served in turn: after one claim a proc goes to the end of the
//     queue. None starves.
//   - Nothing polls. A notification from Source.Watch wakes one goroutine;
//     without one, and without an error to wait out, no goroutine and no timer
//     runs. A notification during a claim is remembered.
//   - One claim of a proc runs at a time, unless its processor ignores the end
//     of its context.
//   - What a processor emitted is committed with the acknowledgement or not at
//     all. An error, a panic or runtime.Goexit gives the claim back as failed,
//     or uncounted while the pool closes.
//   - A processor that runs past its claim's timeout takes no goroutine from
//     others: its worker is replaced, and what it emitted is dropped. At most
//     16 of one proc hang; then the proc rests until one of them returns.
//   - Within a claim, records of one key are handled in order, even with lanes.
//
// # What it does not promise
//
// Records are delivered at least once: a claim that is lost or given back is
// delivered again whole, even if half of its records were handled. Go cannot
// stop a goroutine: a processor that never returns stays until the process
// ends, and [Pool.Close] can only say so.
//
// # Memory
//
// Each goroutine keeps the memory of its claim, and up to 1 MiB of output, from
// one claim to the next. In the steady state nothing is allocated per record; a
// claim costs the few small objects of its context.
//
// The version of the module covers of this package only Processor, Work, Command and Runner,
// which covered packages name in their signatures.
package worker
