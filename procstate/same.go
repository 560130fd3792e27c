package procstate

import "slices"

// SameSystem reports whether two definitions are equal, apart from CreatedAt.
func SameSystem(a, b *System) bool {
	return a.Name == b.Name && a.Processor == b.Processor &&
		slices.Equal(a.From, b.From) && slices.Equal(a.To, b.To) &&
		a.Many == b.Many && a.Count == b.Count && a.Lanes == b.Lanes &&
		a.Options == b.Options &&
		slices.Equal(a.Command, b.Command) && a.Source == b.Source
}
