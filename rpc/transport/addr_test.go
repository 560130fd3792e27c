package transport

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestParseAddr(t *testing.T) {
	for in, want := range map[string]string{
		"unix:///tmp/x.sock":    "unix /tmp/x.sock = unix:///tmp/x.sock",
		"ipc:///tmp/x":          "unix /tmp/x = unix:///tmp/x",
		"unix://rel/x":          "unix rel/x = unix://rel/x",
		"tcp://localhost:7000":  "tcp localhost 7000 = tcp://localhost:7000",
		"tcp://127.0.0.1:0":     "tcp 127.0.0.1 0 = tcp://127.0.0.1:0",
		"tcp://[::1]:80":        "tcp ::1 80 = tcp://[::1]:80",
		"tls://[fe80::1%lo]:80": "tls fe80::1%lo 80 = tls://[fe80::1%lo]:80",
		"tls://a-b.example:443": "tls a-b.example 443 = tls://a-b.example:443",
	} {
		a, err := ParseAddr(in)
		got := fmt.Sprintf("%s %s = %v", a.Scheme, a.Path, a)
		if a.Scheme != SchemeUnix {
			got = fmt.Sprintf("%s %s %d = %v", a.Scheme, a.Host, a.Port, a)
		}
		if err != nil || got != want || a.Private {
			t.Errorf("%s: %s, %v", in, got, err)
		}
		if err := a.check(); (err != nil) != (a.Scheme == SchemeUnix && runtime.GOOS == "windows") {
			t.Errorf("%s: %v", in, err)
		}
		if again, err := ParseAddr(a.String()); err != nil || again != a {
			t.Errorf("%v became %v, %v", a, again, err)
		}
	}
	for _, in := range []string{"", "foo", "/tmp/x", "unix:", "unix://", "ipc://", "unix://@abstract", "unix://a\x00b", "http://a:1", "TCP://a:1",
		"tcp://", "tcp://a", "tcp://:80", "tcp://a:", "tcp://a:http", "tcp://a:+80", "tcp://a:-1", "tcp://a:65536", "tcp://a:80/", "tcp://u@a:80",
		"tcp://::1:80", "tcp://[::1]", "tcp://a b:80", "tcp:///x", "tls://a:1:2", "tcp://" + strings.Repeat("a", 254) + ":1"} {
		a, err := ParseAddr(in)
		if !errors.Is(err, ErrAddress) || err.Error() != strings.TrimSuffix("Invalid connection address: "+in, ": ") {
			t.Errorf("%q: %+v, %v", in, a, err)
		}
	}
	for _, a := range []Addr{{}, {Scheme: "x"}, {Scheme: SchemeUnix}, {Scheme: SchemeUnix, Path: "@x"}, {Scheme: SchemeTCP, Port: 1}, {Scheme: SchemeTCP, Host: "a", Port: 65536}} {
		if err := a.check(); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v", a, err)
		}
		if _, err := Dial(ctxFor(t), a, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v", a, err)
		}
		if _, err := Listen(ctxFor(t), a, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
