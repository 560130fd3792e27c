package procstate

import "reflect"

// SameSystem reports whether two definitions are equal, apart from CreatedAt.
func SameSystem(a, b *System) bool {
	x, y := *a, *b
	x.CreatedAt, y.CreatedAt = 0, 0
	for _, s := range []*System{&x, &y} { // empty is nil
		if len(s.To) == 0 {
			s.To = nil
		}
		if len(s.Command) == 0 {
			s.Command = nil
		}
	}
	return reflect.DeepEqual(x, y)
}
