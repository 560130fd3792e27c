package model

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc"
)

// info returns what a node must say of a proc.
func (s *state) info(p *procState) pipeproc.ProcInfo {
	i := pipeproc.ProcInfo{Name: p.name, Topic: p.topic, Offset: p.offset, CreatedAt: moment(p.made), LastClaimedAt: moment(p.lastClaimedAt),
		LastAckedAt: moment(p.lastAckedAt), LastClaimed: p.lastClaimed, PreviousClaimed: p.prevClaimed, LastAcked: p.lastAcked,
		Disabled: p.disabled, Reclaims: p.reclaims, Retry: pipeproc.RetryPolicy{MaxReclaims: p.maxReclaims, ReclaimTimeout: p.timeout,
			OnMaxReclaims: p.onMax, DeadLetterTopic: p.dead, Backoff: p.backoff, MaxBackoff: p.maxBackoff}, Claim: p.token, Next: p.next,
		Pending: s.pending(p), Skipped: p.skipped, RetryAt: moment(p.retryAt), Ephemeral: p.ephemeral, System: p.system}
	return i
}

// anyToken stands for the token of a claim whose token is not known.
var anyToken = pipeproc.Token{Epoch: 1<<64 - 1}

// sameInfo reports how a description differs from what it must be.
func sameInfo(got, want pipeproc.ProcInfo) error {
	if want.System != "" && got.Waiting == "" {
		return fmt.Errorf("proc %q does not wait for a processor: %+v", got.Name, got)
	}
	got.Waiting = ""
	if want.Claim == anyToken && got.Claim != (pipeproc.Token{}) {
		got.Claim = anyToken
	}
	if got != want {
		return fmt.Errorf("proc %q:\n got %+v\nwant %+v", want.Name, got, want)
	}
	return nil
}

// checkProc compares the description of one proc, which need not exist.
func checkProc(n *pipeproc.Node, s *state, name string) error {
	got, err := n.InspectProc(bg, name)
	p := s.procs[name]
	if p == nil {
		if !errors.Is(err, pipeproc.ErrInvalidProc) {
			return fmt.Errorf("proc %q, which does not exist: %+v, %v", name, got, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return sameInfo(got, s.info(p))
}

// checkProcs compares all procs, system procs and policies.
func checkProcs(n *pipeproc.Node, s *state) error {
	list, err := n.Procs(bg)
	if err != nil {
		return err
	}
	var have []string
	for _, i := range list {
		have = append(have, i.Name)
	}
	if want := s.procNames(); !slices.Equal(have, want) {
		return fmt.Errorf("procs %q, want %q", have, want)
	}
	for _, i := range list {
		if err := sameInfo(i, s.info(s.procs[i.Name])); err != nil {
			return err
		}
	}
	systems, err := n.SystemProcs(bg)
	if err != nil {
		return err
	}
	if len(systems) != len(s.systems) {
		return fmt.Errorf("system procs %+v, want %q", systems, s.systemNames())
	}
	for k, name := range s.systemNames() {
		y, i := s.systems[name], systems[k]
		if i.Name != name || i.Processor != y.processor || !slices.Equal(i.From, y.from) || !slices.Equal(i.To, y.to) ||
			!slices.Equal(i.Procs, y.procNames(name)) || i.Count != y.count || i.Lanes != y.lanes || i.CreatedAt != moment(y.made) || i.Running {
			return fmt.Errorf("system proc %q:\n got %+v\nwant %+v", name, i, *y)
		}
	}
	for _, name := range s.names() {
		if r, err := n.Retention(bg, name); err != nil || r != s.topics[name].policy {
			return fmt.Errorf("retention of %s: %+v, %v, want %+v", name, r, err, s.topics[name].policy)
		}
	}
	return nil
}
