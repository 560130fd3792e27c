package pipeproc

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/pipeproc/pipeproc/procstate"
)

// ProcInfo describes a proc at one moment. Its JSON form has the field names
// of the original system.
type ProcInfo struct {
	Name, Topic, Offset string
	CreatedAt           time.Time // times are zero where there is none
	LastClaimedAt       time.Time
	LastAckedAt         time.Time
	LastClaimed         IDRange // of the latest claim, or of the one before it once that was given back
	PreviousClaimed     IDRange // of the claim before the latest
	LastAcked           IDRange
	Disabled            bool
	Reclaims            int         // since the last acknowledgement
	Retry               RetryPolicy // with its defaults filled in
	Claim               Token       // of the open claim; zero if there is none
	Next                uint64      // every sequence below it is acknowledged
	Pending             uint64      // number of sequences that are not acknowledged
	Skipped             uint64      // number of sequences that were pruned, by force, before it saw them
	RetryAt             time.Time   // when records that failed can be claimed again; zero: now
	Ephemeral           bool
	System              string // the system proc that it belongs to, or ""
	// Waiting says why its system proc does not run. It is "" if it does, or if there
	// is no system proc.
	Waiting string
}

func (n *Node) info(s *procstate.State) ProcInfo {
	d := s.Def
	i := ProcInfo{Name: d.Name, Topic: d.Topic, Offset: d.Offset, CreatedAt: timeOf(d.CreatedAt), LastClaimedAt: timeOf(s.LastClaimedAt),
		LastAckedAt: timeOf(s.LastAckedAt), LastClaimed: s.LastClaimed, PreviousClaimed: s.PrevClaimed, LastAcked: s.LastAcked,
		Disabled: s.Disabled, Reclaims: s.Reclaims, Retry: RetryPolicy{MaxReclaims: d.MaxReclaims, ReclaimTimeout: d.ReclaimTimeout,
			OnMaxReclaims: d.OnMax, DeadLetterTopic: d.DeadLetter, Backoff: d.Backoff, MaxBackoff: d.MaxBackoff},
		Next: s.Next, Pending: n.e.Pending(s), Skipped: s.Skipped, RetryAt: timeOf(s.RetryAt), Ephemeral: d.Owner != 0, System: d.System}
	if c := s.Claim(); c != nil {
		i.Claim = c.Token
	}
	if d.System != "" {
		i.Waiting = n.pipes.Waiting(n.e.System(d.System), d.Name)
	}
	return i
}

// msOf returns unix milliseconds, 0 for the zero time.
func msOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Status returns "active" or "disabled".
func (i *ProcInfo) Status() string {
	if i.Disabled {
		return "disabled"
	}
	return "active"
}

// MarshalJSON returns the description with the original's field names, with times and
// timeouts in milliseconds (-1: never), followed by fields that the original lacks.
func (i ProcInfo) MarshalJSON() ([]byte, error) {
	ms := func(d time.Duration) int64 { return int64(d / time.Millisecond) }
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // offsets are ">" and "$>"
	err := e.Encode(struct {
		Name            string `json:"name"`
		Topic           string `json:"topic"`
		Offset          string `json:"offset"`
		CreatedAt       int64  `json:"createdAt"`
		LastClaimedAt   int64  `json:"lastClaimedAt"`
		LastAckedAt     int64  `json:"lastAckedAt"`
		LastClaimed     string `json:"lastClaimedRange"`
		LastAcked       string `json:"lastAckedRange"`
		PreviousClaimed string `json:"previousClaimedRange"`
		Status          string `json:"status"`
		Reclaims        int    `json:"reclaims"`
		MaxReclaims     int    `json:"maxReclaims"`
		ReclaimTimeout  int64  `json:"reclaimTimeout"`
		OnMax           string `json:"onMaxReclaimsReached"`
		DeadLetter      string `json:"deadLetterTopic,omitempty"`
		Backoff         int64  `json:"backoff,omitempty"`
		MaxBackoff      int64  `json:"maxBackoff,omitempty"`
		Claim           string `json:"claim,omitempty"`
		Next            uint64 `json:"next"`
		Pending         uint64 `json:"pending"`
		Skipped         uint64 `json:"skipped,omitempty"`
		RetryAt         int64  `json:"retryAt,omitempty"`
		Ephemeral       bool   `json:"ephemeral,omitempty"`
		System          string `json:"systemProc,omitempty"`
		Waiting         string `json:"waiting,omitempty"`
	}{i.Name, i.Topic, i.Offset, msOf(i.CreatedAt), msOf(i.LastClaimedAt), msOf(i.LastAckedAt), i.LastClaimed.String(), i.LastAcked.String(),
		i.PreviousClaimed.String(), i.Status(), i.Reclaims, i.Retry.MaxReclaims, ms(i.Retry.ReclaimTimeout), i.Retry.OnMaxReclaims.String(),
		i.Retry.DeadLetterTopic, ms(i.Retry.Backoff), ms(i.Retry.MaxBackoff), i.Claim.String(), i.Next, i.Pending, i.Skipped, msOf(i.RetryAt),
		i.Ephemeral, i.System, i.Waiting})
	return bytes.TrimSpace(b.Bytes()), err
}
