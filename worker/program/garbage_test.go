package program

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestGarbage: a line that is no answer fails the claim, and no other; the
// process is killed and replaced.
func TestGarbage(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger()}, "obey")
	d := newDesk(t)
	d.say(p, "fine").wantOK(t, "out fine")
	for i, c := range []struct{ line, want string }{
		{"hello", `it has written the line "hello": byte 1: an object is missing (1 of 3 records were answered)`},
		{"", `the line ""`},
		{"[]", "an object is missing"},
		{`{"n":%}{"n":%}`, "there is more after the end"},
		{`{"n":%`, "a comma or an end is missing"},
		{`{"n":99}`, "it has answered n 99, which it was not asked"},
		{`{"n":0}`, "it has answered n 0, which it was not asked"},
		{`{"n":2}`, "it has answered n 2 twice"},
		{`{"out":[]}`, `"n" is missing`},
		{`{"n":"1"}`, "a whole number is missing"},
		{`{"n":null}`, "a whole number is missing"},
		{`{"n":%,"output":[]}`, `the field "output" is unknown`},
		{`{"n":%,"n":%}`, `the field "n" comes twice`},
		{`{"n":%,"out":[],"error":"x"}`, `only one of "out", "records" and "error" may be there`},
		{"{\"n\":%,\"out\":[\"~\"]}", "it is not UTF-8"},
		{"{\"n\":%,\"out\":[\"\\ud800\"]}", "half of a surrogate pair"},
	} {
		// What comes between is answered, so that only the line is at fault.
		d.say(p, "fine", "line "+c.line, "fine").wantErr(t, "the program was killed: ", c.want)
		if s := p.Stats(); s.Failed != uint64(i+1) {
			t.Errorf("%s: %+v", c.line, s)
		}
		d.say(p, "fine").wantOK(t, "out fine")
	}
}

// TestUnasked: a process that writes though nobody has asked is killed.
func TestUnasked(t *testing.T) {
	t.Run("with an answer", func(t *testing.T) {
		for _, more := range []string{`{"n":1}`, `{"n":2}`, "garbage", " "} {
			// One write, so that it is one read.
			script := `read -r _; echo '{"pipeproc":1}'; read -r _; printf '{"n":1}\n%s\n' "$0"; read -r _`
			t.Run(more, func(t *testing.T) {
				p := start(t, Options{Command: []string{"/bin/sh", "-c", script, more}}, "")
				newDesk(t).say(p, "a").wantErr(t, "it has written ", ", though nobody has asked (1 of 1")
			})
		}
	})
	t.Run("between claims", func(t *testing.T) {
		script := `read -r _; echo '{"pipeproc":1}'; read -r _; echo '{"n":1}'; sleep 0.1; printf x; sleep 1000`
		p := start(t, Options{Command: []string{"/bin/sh", "-c", script}}, "")
		newDesk(t).say(p, "a").wantOK(t)
		until(t, "it is killed", func() bool { return p.Stats().Failed == 1 })
	})
	t.Run("before it starts", func(t *testing.T) {
		p := start(t, Options{}, "jam")
		newDesk(t).say(p, "a").wantErr(t, "the program was killed: it has written ")
	})
	t.Run("before it can know", func(t *testing.T) {
		p := start(t, Options{}, "obey")
		bodies := make([]string, 100)
		for i := range bodies {
			bodies[i] = strings.Repeat("x", 10_000) // more than the pipe holds
		}
		bodies[0] = `line {"n":100}`
		newDesk(t).say(p, bodies...).wantErr(t, "it has answered n 100, which it was not asked (0 of 100")
	})
}

// TestDepth: nesting has a bound, and costs no stack.
func TestDepth(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	d.say(p, "deep 10000").wantOK(t, "out "+strings.Repeat("[", 10000)+strings.Repeat("]", 10000))
	d.say(p, "deep 10001").wantErr(t, "it nests too deep")
	d.say(p, "deep 10000000").wantErr(t, "it nests too deep")
}

// TestTooLong: the longest line that is taken, and one byte more.
func TestTooLong(t *testing.T) {
	const most = 200_000
	p := start(t, Options{MaxLine: most}, "obey")
	d := newDesk(t)
	line := `{"n":%,"out":["` + strings.Repeat("x", most-len(`{"n":1,"out":[""]}`)) + `"]}`
	d.say(p, "line "+line).wantOK(t, "out "+line[len(`{"n":%,"out":["`):len(line)-len(`"]}`)])
	d.say(p, "line "+line).wantAny(t)
	d.say(p, "line  "+line).wantErr(t, "it has written a line of more than 200000 bytes")
	small := start(t, Options{MaxLine: len(`{"n":1,"out":[123]}`)}, "obey")
	d.say(small, `line {"n":%,"out":[123]}`).wantOK(t, "out 123")
	d.say(small, `line {"n":%,"out":[1234]}`).wantErr(t, "it has written a line of more than 19 bytes")
}

// TestMaxOutput: the most that may come out of a claim, and one byte more.
func TestMaxOutput(t *testing.T) {
	line := `line {"n":%,"out":["123",45],"records":null}`
	full := `line {"n":%,"records":[{"body":"12","key":"3","topic":"four","headers":[["five","6"]]}]}`
	size := 2*(2*overhead+5) + 2*overhead + len("123fourfive6")
	p := start(t, Options{MaxOutput: size}, "obey")
	d := newDesk(t)
	d.say(p, line, line, full).wantOK(t, "out 123", "out 45", "out 123", "out 45", "four 3=[five:6]12")
	for _, bodies := range [][]string{
		{`line {"n":%,"out":["1234",45]}`, line, full},
		{line, line, strings.Replace(full, `"3"`, `"33"`, 1)},
		{line, line, strings.Replace(full, `"6"`, `"66"`, 1)},
		{line, line, full, `line {"n":%,"out":[""]}`},
	} {
		d.say(p, bodies...).wantErr(t, fmt.Sprintf("the output of one claim is larger than %d bytes", size))
	}
	d.say(p, line, line, full).wantAny(t)
}

// TestFlood: whatever a program writes, memory is bounded.
func TestFlood(t *testing.T) {
	const mib = 1 << 20
	p := start(t, Options{MaxLine: 2 * mib, MaxOutput: mib}, "obey")
	d := newDesk(t)
	d.say(p, "fine").wantOK(t, "out fine")
	for _, c := range []struct {
		body, want string
		most       uint64 // of what is allocated in all, in MiB
	}{
		{"flood 1000", "a line of more than 2097152 bytes", 8},
		{"answers 1000", ", though nobody has asked", 2},
		{"outputs 1", "the output of one claim is larger than 1048576 bytes", 16},
		{"outputs 1000", "a line of more than 2097152 bytes", 8},
		{"shout 1000000", "", 2},
		{"howl 100000000", "", 2},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		o := d.say(p, c.body)
		runtime.ReadMemStats(&after)
		if c.want == "" {
			o.wantOK(t)
		} else {
			o.wantErr(t, c.want)
		}
		got := float64(after.TotalAlloc-before.TotalAlloc) / mib
		t.Logf("%s: %.2f MiB were allocated", c.body, got)
		if got > float64(c.most) {
			t.Errorf("%s: %.2f MiB were allocated", c.body, got)
		}
		d.say(p, "fine").wantOK(t, "out fine")
	}
}
