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
// [Machine] is a state machine of policies by topic id. It takes proposals
// (Stage), applies what was decided (Apply), makes it visible (Publish), and
// encodes itself for commands and snapshots.
//
// It prunes nothing itself. It knows no topics, procs, files, timers or clocks:
// its caller provides state and time. It does not check that a topic id exists.
// It trusts the time it is given: a caller whose clock may jump must bound the
// jump, or retention by age follows it.
package gcprune
