// Package gcprune decides how far a topic may be pruned, and keeps the policies
// that topics have about it.
//
// [Decide] is a pure function: from a topic, its procs, the rules in force and a
// time it gives a mark, below which nothing is needed. It promises that a mark
// never passes what a protecting proc has not acknowledged, unless the policy
// says Force; that it never leaves the topic; and that equal questions have
// equal answers. Procs can come to be while it thinks, so its user asks [Bound]
// again at the moment when the mark is staged.
//
// [Machine] is a state machine of policies by topic id. It takes proposals
// (Stage), takes over what was decided (Apply), makes it visible (Publish), and
// encodes itself for commands and snapshots.
//
// It prunes nothing itself. It knows no topics, procs, files, timers or clocks:
// its user says what there is and what time it is. It does not check that a
// topic id exists. It does not judge the time it is given either: a user whose
// clock may jump has to bound the jump, or retention by age follows it.
package gcprune
