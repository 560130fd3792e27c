package lintest

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/pipeproc/pipeproc"
)

// What clients do to a proc, and to the two topics that are its own: it reads
// one, and what it acknowledges with goes to the other.
type kind int

const (
	commit     kind = iota // a record to the topic that the proc reads
	claim                  // count
	ack                    // token
	ackCommit              // token
	reclaim                // token
	disable                //
	resume                 //
	seek                   // at
	outLength              // of the topic that ackCommit writes
	inspect                //
	numOfKinds = iota
)

var kindNames = [numOfKinds]string{"commit", "claim", "ack", "ackCommit", "reclaim", "disable", "resume", "seek", "outLength", "inspect"}

type input struct {
	proc  int
	kind  kind
	count uint64
	token pipeproc.Token
	at    uint64
}

// output is what came back: an error's code, or what the kind says.
type output struct {
	code     string
	token    pipeproc.Token // claim, inspect: the open claim
	first, n uint64         // claim, ack, ackCommit: sequences
	seq      uint64         // commit, ackCommit: of the record; outLength: the length; inspect: next
	disabled bool           // inspect
}

// state is a proc as the model sees it. The zero state is a new one.
type state struct {
	length, out uint64
	next        uint64
	token       pipeproc.Token // of the open claim
	end         uint64         // behind the open claim
	disabled    bool
	reclaims    int
}

// maxReclaims is the limit of the procs in the test.
const maxReclaims = 3

// model is a proc, step by step. A history of one proc is linearizable if some
// order of its operations, within their times, is a walk through this.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := map[int][]porcupine.Operation{}
		for _, op := range history {
			p := op.Input.(input).proc
			parts[p] = append(parts[p], op)
		}
		var out [][]porcupine.Operation
		for p := range len(parts) {
			out = append(out, parts[p])
		}
		return out
	},
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		ok, next := step(s.(state), in.(input), out.(output))
		return ok, next
	},
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

func step(s state, in input, out output) (bool, state) {
	n := s
	switch in.kind {
	case commit:
		n.length++
		return out == output{seq: s.length}, n
	case claim:
		return stepClaim(s, in, out)
	case ack, ackCommit:
		return stepAck(s, in, out)
	case reclaim:
		if s.disabled {
			return out == output{code: "proc_is_disabled"}, s
		}
		if code := s.lost(in.token, "nothing_to_reclaim"); code != "" {
			return out == output{code: code}, s
		}
		n.token = pipeproc.Token{}
		n.reclaims++
		n.disabled = n.reclaims >= maxReclaims
		return out == output{}, n
	case disable:
		if s.disabled {
			return out == output{code: "proc_already_disabled"}, s
		}
		n.disabled = true
		return out == output{}, n
	case resume:
		if !s.disabled {
			return out == output{code: "proc_already_active"}, s
		}
		n.disabled, n.reclaims = false, 0
		return out == output{}, n
	case seek:
		if in.at >= s.length {
			return out == output{code: "invalid_tone_id_search"}, s
		}
		n.next, n.token, n.reclaims = in.at+1, pipeproc.Token{}, 0
		return out == output{}, n
	case outLength:
		return out == output{seq: s.out}, s
	default:
		return out == output{token: s.token, seq: s.next, disabled: s.disabled}, s
	}
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

func stepClaim(s state, in input, out output) (bool, state) {
	if s.disabled {
		return out == output{code: "proc_is_disabled"}, s
	}
	if s.token != (pipeproc.Token{}) || s.next >= s.length {
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

func stepAck(s state, in input, out output) (bool, state) {
	nothing := "invalid_ack"
	if in.kind == ackCommit {
		nothing = "invalid_ack_or_commit"
	}
	if code := s.lost(in.token, nothing); code != "" {
		return out == output{code: code}, s
	}
	want := output{first: s.next, n: s.end - s.next}
	n := s
	n.next, n.token, n.reclaims = s.end, pipeproc.Token{}, 0
	if in.kind == ackCommit {
		want.seq = s.out
		n.out++
	}
	return out == want, n
}

func describe(in input, out output) string {
	s := fmt.Sprintf("p%d %s", in.proc, kindNames[in.kind])
	switch in.kind {
	case claim:
		s += fmt.Sprintf(" up to %d", in.count)
	case ack, ackCommit, reclaim:
		s += fmt.Sprintf(" of %q", in.token)
	case seek:
		s += fmt.Sprintf(" behind %d", in.at)
	}
	return fmt.Sprintf("%s -> %+v", s, out)
}
