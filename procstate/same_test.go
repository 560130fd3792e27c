package procstate

import (
	"reflect"
	"testing"
)

// TestSameSystem changes every field in turn: a new one must be compared, too.
func TestSameSystem(t *testing.T) {
	full := func() *System {
		s := new(System)
		fill(t, reflect.ValueOf(s).Elem())
		return s
	}
	if !SameSystem(full(), full()) {
		t.Error("equal definitions differ")
	}
	if a, b := full(), full(); true {
		a.To, b.To, a.Command, b.Command = nil, []string{}, []string{}, nil
		if !SameSystem(a, b) {
			t.Error("an empty list is not none")
		}
	}
	leaves(reflect.TypeFor[System](), nil, func(path []int, f reflect.StructField) {
		s := full()
		v := reflect.ValueOf(s).Elem().FieldByIndex(path)
		v.SetZero()
		if same := SameSystem(full(), s); same != (f.Name == "CreatedAt") {
			t.Errorf("without %s: same is %v", f.Name, same)
		}
	})
}

// leaves calls fn for every field that is not a struct itself.
func leaves(t reflect.Type, path []int, fn func(path []int, f reflect.StructField)) {
	for i := range t.NumField() {
		f, at := t.Field(i), append(path[:len(path):len(path)], i)
		if f.Type.Kind() == reflect.Struct {
			leaves(f.Type, at, fn)
		} else {
			fn(at, f)
		}
	}
}

func fill(t *testing.T, s reflect.Value) {
	leaves(s.Type(), nil, func(path []int, f reflect.StructField) {
		switch v := s.FieldByIndex(path); v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(7)
		case reflect.Uint8:
			v.SetUint(1)
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"a", "b"}))
		default:
			t.Fatalf("%s is of a kind that this test cannot set", f.Name)
		}
	})
}
