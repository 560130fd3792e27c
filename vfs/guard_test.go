package vfs

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// faulty returns a mapping of a file that is truncated to one byte, so that
// only its first memory page can be used.
func faulty(t testing.TB) Mapping {
	t.Helper()
	file := open(t, OS(), t.TempDir()+"/a", Create)
	must(t, file.Preallocate(1<<20))
	m := mapping(t, file, 1<<20, true)
	must(t, file.Truncate(1))
	return m
}

var sink byte

func TestGuardFault(t *testing.T) {
	m := faulty(t)
	b := m.Bytes()
	block := make([]byte, 100)
	for _, c := range []struct {
		name string
		fn   func()
	}{
		{"load", func() { sink = b[500000] }},
		{"last byte", func() { sink = b[len(b)-1] }},
		{"store", func() { b[500000] = 1 }},
		{"copy out", func() { copy(block, b[500000:]) }},
		{"copy in", func() { copy(b[500000:], block) }},
		{"convert", func() { sink = string(b[500000:500010])[0] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, m := range []Mapping{m, &faultMapping{Mapping: m}} {
				deferred, after := false, false
				err := Guard(m, func() {
					defer func() { deferred = true }()
					c.fn()
					after = true
				})
				if !errors.Is(err, ErrMapFault) || !strings.Contains(err.Error(), "offset") {
					t.Errorf("error %v", err)
				}
				if !deferred || after {
					t.Errorf("deferred %v, after %v", deferred, after)
				}
			}
		})
	}
	if debug.SetPanicOnFault(false) {
		t.Error("still on")
	}
	must(t, Guard(m, func() { b[0]++ }))
}

func TestGuardForeignPanics(t *testing.T) {
	good := mapping(t, open(t, NewMem(), "a", Create), 0, false)
	bad := faulty(t)
	var null *[10]byte
	value := &struct{ int }{7}
	for _, c := range []struct {
		name string
		m    Mapping
		fn   func()
		want func(r any) bool
	}{
		{"value", bad, func() { panic(value) }, func(r any) bool { return r == value }},
		{"nil pointer", bad, func() { null[1] = 1 }, isRuntime},
		{"index", bad, func() { sink = bad.Bytes()[len(bad.Bytes()):][0] }, isRuntime},
		{"fault elsewhere", good, func() { bad.Bytes()[500000] = 1 }, isRuntime},
		{"no mapping", nil, func() { bad.Bytes()[500000] = 1 }, isRuntime},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if r := recover(); !c.want(r) {
					t.Errorf("recovered %v", r)
				}
				if debug.SetPanicOnFault(false) {
					t.Error("still on")
				}
			}()
			err := Guard(c.m, c.fn)
			t.Errorf("returned %v", err)
		})
	}
}

func isRuntime(r any) bool { _, ok := r.(runtime.Error); return ok }

func TestGuardNested(t *testing.T) {
	outer, inner := faulty(t), faulty(t)
	passed := false
	err := Guard(outer, func() {
		if err := Guard(inner, func() { inner.Bytes()[500000] = 1 }); !errors.Is(err, ErrMapFault) {
			t.Errorf("inner: %v", err)
		}
		passed = true
		_ = Guard(inner, func() { outer.Bytes()[500000] = 1 })
		t.Error("went on")
	})
	if !errors.Is(err, ErrMapFault) || !passed {
		t.Errorf("%v, passed %v", err, passed)
	}
}

func TestGuardGoexit(t *testing.T) {
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = Guard(nil, runtime.Goexit)
		t.Error("went on")
	}()
	<-done
}

func TestGuardDoesNotAllocate(t *testing.T) {
	m := mapping(t, open(t, NewMem(), "a", Create), 0, false)
	x := 0
	if n := testing.AllocsPerRun(1000, func() {
		if err := Guard(m, func() { x++ }); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGuard(b *testing.B) {
	file := open(b, OS(), b.TempDir()+"/a", Create)
	must(b, file.Preallocate(4096))
	m := mapping(b, file, 4096, true)
	mem := m.Bytes()
	b.Run("without", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			func() { mem[i&4095]++ }()
		}
	})
	b.Run("with", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := Guard(m, func() { mem[i&4095]++ }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := Guard(m, func() { _ = mem[0] }); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
