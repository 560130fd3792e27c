// Package gcprune decides how far a topic may be pruned, and keeps the policies
// that topics have about it.
//
// [Decide] is a pure function: from a topic, its procs, the rules in force and
// a time it derives a mark, below which nothing is needed. It promises that a
// mark never passes what a protecting proc has not acknowledged, unless the
// policy says Force; that it never leaves the topic; and that equal inputs give
// equal marks. Procs can be created while it runs, so its caller checks [Bound]
// again when the mark is staged.
//
// # Rules
//
//   - Acknowledged (the node's GC option, or the topic's policy): what comes before
//     the claim before the latest one of each proc that has had two, once the first
//     record of the earliest of these claims is MinAge old, and nothing that a proc
//     has not acknowledged. If no proc has had two claims, nothing goes. Disabled
//     procs protect as well, unless the rules say otherwise. In a topic without procs
//     that protect: what is MinAge old.
//   - Age, size (a topic's policy): records older than MaxAge; the oldest segments,
//     whole, while the topic's files take more than MaxBytes. Neither passes what a
//     proc has not acknowledged, unless the policy says Force.
//
// An explicit prune is an order and is not decided here.
//
// # The machine
//
// [Machine] is a state machine of policies by topic id. It takes proposals
// (Stage), applies what was decided (Apply), makes it visible (Publish), and
// encodes itself for commands and snapshots.
//
// It prunes nothing itself. It knows no topics, procs, files, timers or clocks:
// its caller provides state and time. It does not check that a topic id exists.
// It trusts the time it is given: a caller whose clock may jump must bound the
// jump, or retention by age follows it.
//
// The version of the module does not cover this package.
package gcprune
