package program

import (
	"strings"
	"testing"
)

// TestStderr: its lines are in the log, with the name of the proc.
func TestStderr(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger(), Name: "orders"}, "obey")
	newDesk(t).say(p, "say hello", "say ", "say two words").wantOK(t)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	var got []string
	for line := range strings.Lines(l.String()) {
		_, line, _ = strings.Cut(line, "level=")
		got = append(got, line)
	}
	const head = `INFO msg="stderr of a program" proc=orders pid=`
	if len(got) != 2 || !strings.HasPrefix(got[0], head) || !strings.HasSuffix(got[0], " line=hello\n") ||
		!strings.HasPrefix(got[1], head) || !strings.HasSuffix(got[1], " line=\"two words\"\n") {
		t.Errorf("%q", got)
	}
}

// TestStderrBounds: long lines are cut, and too many are counted.
func TestStderrBounds(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger()}, "obey")
	d := newDesk(t)
	d.say(p, "howl 10000").wantOK(t)
	d.say(p, "shout 1000").wantOK(t)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	s := l.String()
	if countLines(s, " line="+strings.Repeat("x", maxWords)+" cut=5904\n") != 1 || countLines(s, "line=after") != 1 || countLines(s, "line=", "�") != 1 {
		t.Errorf("%q", s)
	}
	// The three lines of howl count too, unless a second has gone by.
	logged, lost := countLines(s, "line=\"line "), int(p.Stats().Dropped)
	if logged+lost != 1000 || logged < maxLines-3 || countLines(s, "level=WARN", "a program writes too much to stderr", "dropped=") == 0 {
		t.Errorf("%d logged, %d dropped:\n%.5000s", logged, lost, s)
	}
}

// TestStderrPauses: after a pause lines are logged again.
func TestStderrPauses(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger()}, "obey")
	d := newDesk(t)
	d.say(p, "shout 100").wantOK(t)
	until(t, "a pause has ended", func() bool { return strings.Contains(l.String(), "dropped=50\n") })
	d.say(p, "say again").wantOK(t)
	until(t, "it is logged", func() bool { return strings.Contains(l.String(), "line=again") })
}

// TestNoLogger: without a log, stderr is read all the same.
func TestNoLogger(t *testing.T) {
	p := start(t, Options{}, "obey")
	newDesk(t).say(p, "shout 100000").wantOK(t)
}
