package linear

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
)

// What clients do to a proc, and to the topics that are its own: it reads one,
// what it acknowledges with goes to two others, and its dead letters to a fourth.
type kind int

const (
	commit     kind = iota // a record to the topic that the proc reads
	claim                  // count
	ack                    // token
	ackCommit              // token; a record to each of two topics
	ackRefused             // token; an ackCommit whose records are refused
	ackOut                 // the first moment of an ackCommit: its records are there
	reclaim                // token
	disable                //
	resume                 //
	seek                   // at
	outLength              // of a topic that ackCommit writes
	deadLength             // of the topic of dead letters
	inspect                //
	release                // token; these three on an engine only
	destroy                //
	ensure                 //
	numOfKinds = iota
)

var kindNames = [numOfKinds]string{"commit", "claim", "ack", "ackCommit", "ackCommit that is refused", "ackCommit, its records", "reclaim", "disable",
	"resume", "seek", "outLength", "deadLength", "inspect", "release", "destroy", "ensure"}

type input struct {
	proc  int
	kind  kind
	count uint64
	token pipeproc.Token
	at    uint64 // seek: after which sequence; outLength: of which topic
	open  bool   // it has not returned: it may have taken effect or not
}

// output is what came back: an error's code, or what the kind says.
type output struct {
	code     string
	token    pipeproc.Token // claim, inspect, ensure: the open claim
	first, n uint64         // claim, ack, ackCommit: sequences
	seq      uint64         // commit, ackCommit: of the record; outLength: the length; inspect, ensure: next
	disabled bool           // inspect, ensure
	reclaims int            // inspect, ensure
}

// What the procs are, by number modulo three.
const (
	disables = iota // is disabled by the second reclaim in a row
	buries          // puts records into the topic of dead letters by then
	waits           // waits for an hour after each reclaim, and goes on for ever
)

const maxReclaims = 2

// state is a proc as the model sees it. The zero state is a new one.
type state struct {
	length, out, dead uint64 // of the topics
	gone              bool
	next              uint64
	token             pipeproc.Token // of the open claim
	end               uint64         // after the open claim
	disabled          bool
	reclaims          int
	waiting           bool // before a retry
	half              bool // the records of an ackCommit are there, the acknowledgement is not
}

// drop ends the open claim.
func (s *state) drop() { s.token, s.end = pipeproc.Token{}, 0 }

// begin makes the proc start at next, after an acknowledgement or a seek.
func (s *state) begin(next uint64) {
	s.drop()
	s.next, s.reclaims, s.waiting = next, 0, false
}

// model is a proc, step by step. A history of one proc is linearizable if some
// order of its operations, within their times, is a walk through this.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		var out [][]porcupine.Operation
		for _, op := range history {
			p := op.Input.(input).proc
			for len(out) <= p {
				out = append(out, nil)
			}
			out[p] = append(out[p], op)
		}
		return out
	},
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		ok, next := step(s.(state), in.(input), out.(output))
		if !ok && in.(input).open {
			return true, s
		}
		return ok, next
	},
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

// looks reports whether an operation changes nothing, whatever comes of it. Only
// such ones, commits, and claims that are refused after a look, come between the two
// moments of an ackCommit.
func (in input) looks() bool {
	return in.kind == outLength || in.kind == deadLength || in.kind == inspect
}

// refused is the code of a command whose write failed: it did not happen.
const refused = "the write failed"

// unsent is the code of a call that did not reach the node, or was a mere look.
const unsent = "not sent"

// unknownOutcome is the code of a command whose outcome a client cannot learn.
const unknownOutcome = "outcome_unknown"

// step does an operation. It reports whether out can be its result.
func step(s state, in input, out output) (bool, state) {
	if out.code == refused || out.code == unsent {
		return true, s
	}
	n := s
	switch in.kind {
	case commit:
		n.length++
		return out == output{seq: s.length}, n
	case outLength:
		return out == output{seq: s.out}, s
	case deadLength:
		return out == output{seq: s.dead}, s
	case ensure:
		if s.gone {
			n = state{length: s.length, out: s.out, dead: s.dead}
		}
		return out == n.info(), n
	}
	if s.gone {
		return out == output{code: "invalid_proc"}, s
	}
	switch {
	case in.looks():
		return out == s.info(), s
	case in.kind == claim && (s.disabled || s.token != (pipeproc.Token{})):
		return s.claim(in, out) // refused after a look
	case s.half:
		n.half = false
		n.begin(s.end)
		return in.kind == ackCommit && out == output{first: s.next, n: s.end - s.next, seq: s.out - 1}, n
	}
	switch in.kind {
	case claim:
		return s.claim(in, out)
	case ack, ackOut, ackCommit, ackRefused:
		return s.ack(in, out)
	case reclaim, release:
		return s.giveBack(in, out)
	case disable:
		n.disabled = true
		return out == fail(s.disabled, "proc_already_disabled"), n
	case resume:
		n.disabled, n.reclaims, n.waiting = false, 0, false
		if !s.disabled {
			n = s
		}
		return out == fail(!s.disabled, "proc_already_active"), n
	case seek:
		if in.at >= s.length {
			return out == output{code: "invalid_tone_id_search"}, s
		}
		n.begin(in.at + 1)
		return out == output{}, n
	case destroy:
		n.gone = true
		return out == output{}, n
	}
	panic(in.kind)
}

func fail(yes bool, code string) output {
	if yes {
		return output{code: code}
	}
	return output{}
}

func (s state) info() output {
	return output{token: s.token, seq: s.next, disabled: s.disabled, reclaims: s.reclaims}
}

// lost returns the code of the error for an operation on the claim of a token,
// or on whatever is claimed, "" if it is open.
func (s state) lost(t pipeproc.Token, nothing string) string {
	switch {
	case t == pipeproc.Token{} && s.token == t:
		return nothing
	case t != pipeproc.Token{} && s.token != t:
		return "claim_lost"
	}
	return ""
}

func (s state) claim(in input, out output) (bool, state) {
	if s.disabled {
		return out == output{code: "proc_is_disabled"}, s
	}
	if s.token != (pipeproc.Token{}) || s.next >= s.length || s.waiting {
		return out == output{}, s
	}
	// A claim holds what was there when its records were read, a moment before
	// it was made: up to count, not as many as there are.
	most := min(in.count, s.length-s.next)
	if out.code != "" || out.token == (pipeproc.Token{}) || out.first != s.next || out.n < 1 || out.n > most {
		return false, s
	}
	n := s
	n.token, n.end = out.token, out.first+out.n
	return true, n
}

func (s state) ack(in input, out output) (bool, state) {
	nothing := "invalid_ack_or_commit"
	if in.kind == ack {
		nothing = "invalid_ack"
	}
	code := s.lost(in.token, nothing)
	if code == "" && in.kind == ackRefused {
		code = "conflict"
	}
	if code != "" {
		return in.kind != ackOut && out == output{code: code}, s
	}
	n := s
	switch in.kind {
	case ack:
		n.begin(s.end)
		return out == output{first: s.next, n: s.end - s.next}, n
	case ackOut:
		n.out, n.half = s.out+1, true
		return true, n
	}
	return false, s // an ackCommit that succeeds comes after its ackOut
}

// giveBack is a reclaim, or a release, which does not count.
func (s state) giveBack(in input, out output) (bool, state) {
	nothing := "nothing_to_reclaim"
	if in.kind == release {
		nothing = "invalid_ack"
	} else if s.disabled {
		return out == output{code: "proc_is_disabled"}, s
	}
	if code := s.lost(in.token, nothing); code != "" {
		return out == output{code: code}, s
	}
	n := s
	n.drop()
	if in.kind == release {
		return out == output{}, n
	}
	n.reclaims++
	switch {
	case in.proc%3 == waits:
		n.waiting = true
	case n.reclaims < maxReclaims:
	case in.proc%3 == disables:
		n.disabled = true
	default:
		n.dead += s.end - s.next
		n.begin(s.end)
	}
	return out == output{}, n
}

func describe(in input, out output) string {
	s := fmt.Sprintf("p%d %s", in.proc, kindNames[in.kind])
	switch in.kind {
	case claim:
		s += fmt.Sprintf(" up to %d", in.count)
	case ack, ackCommit, ackRefused, ackOut, reclaim, release:
		s += fmt.Sprintf(" of %q", in.token)
	case seek:
		s += fmt.Sprintf(" behind %d", in.at)
	}
	if in.open {
		s += ", not returned yet"
	}
	switch {
	case in.kind == ackOut:
		return s
	case out.code != "":
		return s + ": " + out.code
	case out == output{}:
		return s + ": ok"
	case in.looks() && in.kind == inspect || in.kind == ensure:
		return fmt.Sprintf("%s: claim %q, next %d, reclaims %d, disabled %v", s, out.token, out.seq, out.reclaims, out.disabled)
	case in.kind == claim:
		return fmt.Sprintf("%s: %d from %d, token %q", s, out.n, out.first, out.token)
	case out.n > 0:
		return fmt.Sprintf("%s: %d from %d, record %d", s, out.n, out.first, out.seq)
	}
	return fmt.Sprintf("%s: %d", s, out.seq)
}
