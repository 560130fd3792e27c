package record

// Range is a run of records of one topic, from First to Last, both included.
// Its text form is "first..last", and "" for no records.
type Range struct {
	First, Last ID
	Count       uint64 // records in it; gaps of the topic are not counted
}

// Empty reports whether the range holds no record.
func (r Range) Empty() bool { return r.Count == 0 }

// String returns the text form.
func (r Range) String() string {
	if r.Empty() {
		return ""
	}
	return r.First.String() + ".." + r.Last.String()
}

// MarshalText returns the text form. It never fails.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
