package topics

// LetGo closes the segment files that are held for a sync that will not come: of
// a node that is being closed after its last checkpoint failed. The caller holds
// off checkpoints and commits.
func (r *Registry) LetGo() {
	for _, t := range r.Topics() {
		for _, s := range t.log.list() {
			s.letGo()
		}
	}
	for _, d := range r.dead {
		d.seg.letGo()
	}
}

func (s *seg) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
}
