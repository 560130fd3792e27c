//go:build unix

package transport

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A socket's path is not longer than the system takes.
func TestLongSocketPath(t *testing.T) {
	longest := Addr{Scheme: SchemeUnix, Path: strings.Repeat("x", maxSocketPath)}
	if err := longest.check(); err != nil {
		t.Error(err)
	}
	a := Addr{Scheme: SchemeUnix, Path: longest.Path + "x"}
	if err := a.check(); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
	if _, err := Dial(ctxFor(t), a, nil); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
	if _, err := Listen(ctxFor(t), a, nil); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
}

// TestNamespace holds the formula that other languages' clients use.
func TestNamespace(t *testing.T) {
	for tmp, dir := range map[string]string{"": "/tmp", "/var/tmp": "/var/tmp", "/var/tmp///": "/var/tmp"} {
		t.Setenv("TMPDIR", tmp)
		a, err := Namespace("my-Node_1")
		if want := fmt.Sprintf("%s/pipeproc-%d/my-Node_1.sock", dir, os.Geteuid()); err != nil || a.Path != want || a.Scheme != SchemeUnix || !a.Private {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if _, err := Namespace(strings.Repeat("n", 64)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", strings.Repeat("n", 65), ".", "..", "a/b", "a b", "ä", "a.b", "a\x00"} {
		if a, err := Namespace(name); !errors.Is(err, ErrInvalidOptions) {
			t.Errorf("%q: %+v, %v", name, a, err)
		}
	}
	t.Setenv("TMPDIR", "/"+strings.Repeat("t", 100))
	if _, err := Namespace("n"); !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), "a unix socket's at most") {
		t.Error(err)
	}
}
