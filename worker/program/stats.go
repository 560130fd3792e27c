package program

// Stats are the figures of a Program at one moment.
type Stats struct {
	Processes int // running, starting or ending
	Idle      int // of these, those that wait for a claim
	Waiting   int // claims that wait for a process

	// Since New:
	Started uint64 // processes
	Failed  uint64 // processes that could not be started or ended before their time
	Claims  uint64 // claims answered in full, also with errors
	Records uint64 // records of those
	Dropped uint64 // lines of stderr that were not logged
}

// Stats returns the current figures.
func (p *Program) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Processes, s.Idle, s.Waiting = len(p.procs), len(p.idle), len(p.waiting)
	s.Dropped = p.dropped.Load()
	return s
}

// answered counts a claim of n records.
func (p *Program) answered(pr *process, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.claims++
	pr.slot.delay = 0
	p.stats.Claims++
	p.stats.Records += uint64(n)
}
