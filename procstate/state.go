package procstate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Strategy says what happens to a proc whose claim was reclaimed as often as
// its MaxReclaims allows.
type Strategy uint8

// Strategies.
const (
	Disable    Strategy = iota // the proc is disabled until somebody resumes it
	Continue                   // nothing: the proc continues to retry
	DeadLetter                 // the records go to a topic of their own, and the proc moves on
	numStrategies
)

var strategyNames = [numStrategies]string{"disable", "continue", "deadletter"}

// String returns the strategy's name.
func (s Strategy) String() string {
	if s < numStrategies {
		return strategyNames[s]
	}
	return fmt.Sprintf("Strategy(%d)", uint8(s))
}

// ParseStrategy is the inverse of String.
func ParseStrategy(s string) (Strategy, error) {
	for i, n := range strategyNames {
		if n == s {
			return Strategy(i), nil
		}
	}
	return 0, errs.InvalidProcOptions.With(fmt.Sprintf("OnMaxReclaims: %q is none of %s", s, strings.Join(strategyNames[:], ", ")))
}

// Token names one claim: the epoch of the node, which no two openings of a
// store share, and a number within it. The zero Token names none.
type Token struct{ Epoch, Serial uint64 }

// String returns the text form, "epoch-serial", or "" for the zero Token.
func (t Token) String() string {
	if t == (Token{}) {
		return ""
	}
	return strconv.FormatUint(t.Epoch, 10) + "-" + strconv.FormatUint(t.Serial, 10)
}

// ParseToken is the inverse of String. The error is ErrClaimLost: such a text
// cannot name an open claim.
func ParseToken(s string) (Token, error) {
	if s == "" {
		return Token{}, nil
	}
	epoch, serial, _ := strings.Cut(s, "-")
	e, err1 := strconv.ParseUint(epoch, 10, 64)
	n, err2 := strconv.ParseUint(serial, 10, 64)
	if t := (Token{e, n}); err1 == nil && err2 == nil && t.String() == s {
		return t, nil
	}
	return Token{}, errs.ClaimLost.With(fmt.Sprintf("%q is not the text of a claim", s))
}

// MarshalText returns the text form. It never fails.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText parses the text form.
func (t *Token) UnmarshalText(b []byte) error {
	v, err := ParseToken(string(b))
	if err == nil {
		*t = v
	}
	return err
}

// Options are the options that a proc was created with.
type Options struct {
	Offset         string        // where it began, as text
	MaxReclaims    int           // -1: no limit
	ReclaimTimeout time.Duration // whole milliseconds; negative: never
	OnMax          Strategy
	DeadLetter     string        // topic, with the strategy DeadLetter
	Backoff        time.Duration // before the first retry, doubled for each further one
	MaxBackoff     time.Duration // at most
}

// Def is the definition of a proc. It is immutable.
type Def struct {
	ID        uint64 // never reused
	Name      string
	Topic     string
	CreatedAt int64  // unix milliseconds
	Owner     uint64 // not 0: it is ephemeral and belongs to this epoch
	System    string // the system proc that runs it, or ""
	Options
}

// OpenClaim is a range of records that a proc was given and has not acknowledged. It is
// the claim as the state keeps it; see engine.Claimed for the other forms.
type OpenClaim struct {
	Token Token
	Range record.Range
	At    int64 // unix milliseconds
}

// State is the state of a proc at one moment. It is immutable.
type State struct {
	Def *Def
	// Next is the sequence below which everything is acknowledged.
	Next uint64
	// Floor is a lower bound on ids, in addition to Next: for an offset that
	// lies in the future.
	Floor record.ID

	Disabled bool
	Claims   []OpenClaim // open ones; at most one at present
	one      [1]OpenClaim

	LastClaimed, PrevClaimed, LastAcked record.Range
	LastClaimedAt, LastAckedAt          int64  // unix milliseconds, 0: never
	Reclaims                            int    // since the last acknowledgement
	RetryAt                             int64  // no claim before this time, unix milliseconds; 0: none
	Skipped                             uint64 // records that were pruned before it saw them
}

// Claim returns the open claim, or nil.
func (s *State) Claim() *OpenClaim {
	if len(s.Claims) == 0 {
		return nil
	}
	return &s.Claims[0]
}

// Spent reports whether one more reclaim would be the last that is allowed.
func (s *State) Spent() bool {
	return s.Def.MaxReclaims >= 0 && s.Reclaims+1 >= s.Def.MaxReclaims
}

// Delay returns how long to wait before the n-th retry.
func (o *Options) Delay(n int) time.Duration {
	d := o.Backoff
	for i := 1; i < n && d < o.MaxBackoff; i++ {
		d *= 2
	}
	if o.MaxBackoff > 0 {
		d = min(d, o.MaxBackoff)
	}
	return d
}

// System is the definition of a system proc: what runs over which topics. It is
// immutable.
type System struct {
	Name      string
	Processor string   // the name under which a program registers it
	From, To  []string // topics
	Many      bool     // its procs are called name__topic, not name
	Count     int      // records of one claim
	Lanes     int      // records of one claim that may run side by side, by key; 1: none
	CreatedAt int64    // unix milliseconds
	Options            // of its procs

	// Command is the program that runs it, with its arguments; none: a processor
	// that is registered. Source is text for a program that runs several.
	Command []string `json:",omitempty"`
	Source  string   `json:",omitempty"`
}

// Reads reports whether the proc of that name reads topic for s.
func (s *System) Reads(proc, topic string) bool {
	return slices.Contains(s.From, topic) && s.ProcName(topic) == proc
}

// ProcName returns the name of the proc that reads topic for s.
func (s *System) ProcName(topic string) string {
	if s.Many {
		return s.Name + "__" + topic
	}
	return s.Name
}
