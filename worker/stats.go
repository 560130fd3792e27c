package worker

// Stats are the figures of a pool at one moment.
type Stats struct {
	Jobs     int  // procs that have a job
	Ready    int  // procs that wait for a goroutine
	Running  int  // procs that a goroutine works on; a hung processor does not count
	Waiting  int  // procs that wait after an error of the Source
	Hung     int  // claims whose processor still runs after the timeout
	Workers  int  // goroutines, excluding those that hang and those of lanes
	Idle     int  // goroutines that sleep
	Stopping bool // the pool is closing, or closed

	// Since New:
	Claims  uint64 // claims handed to a processor
	Acked   uint64 // of these, those that were acknowledged
	Records uint64 // of acknowledged claims
	Wakeups uint64 // how often a goroutine was woken
}

// Stats returns the current figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Ready: p.queued, Hung: p.hung, Workers: p.workers, Idle: p.idle, Stopping: p.closing,
		Claims: p.claims, Acked: p.acked, Records: p.records, Wakeups: p.wakeups}
	for _, e := range p.procs {
		if e.job != nil {
			s.Jobs++
		}
		if e.running {
			s.Running++
		}
		if e.retryTimer != nil {
			s.Waiting++
		}
	}
	return s
}
