package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"
)

// demoText is the text that the demo prints.
type demoText struct {
	out     *lineWriter
	colour  bool
	program string
}

func newDemoText(a *app) *demoText {
	return &demoText{out: a.lines(), program: programName(),
		colour: isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold  = "1"
	dim   = "2"
	green = "32"
)

func (t *demoText) style(s, code string) string {
	if !t.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *demoText) flush() error { return t.out.flush() }

func (t *demoText) print(s string) {
	_ = t.out.line(func(b []byte) []byte { return append(b, s...) }) // flush has the error
}

func (t *demoText) title(name, what string) { t.print(t.style(name, bold) + ": " + what) }

func (t *demoText) section(name, what string) {
	t.print("\n" + t.style(name, bold) + "  " + t.style(what, dim))
}

func (t *demoText) item(name, format string, v ...any) {
	t.print(fmt.Sprintf("  %-10s  ", name) + fmt.Sprintf(format, v...))
}

func (t *demoText) good(name, what string) {
	t.print(fmt.Sprintf("  %-10s  ", name) + t.style(what, green))
}

func (t *demoText) command(format string, v ...any) {
	t.print("  " + t.style("$ pipeproc "+fmt.Sprintf(format, v...), dim))
}

func (t *demoText) result(format string, v ...any) { t.plain("  "+format, v...) }

func (t *demoText) plain(format string, v ...any) { t.print("  " + fmt.Sprintf(format, v...)) }

func (t *demoText) table(rows [][]string) {
	for i, line := range strings.Split(table(rows), "\n") {
		if i == 0 {
			line = t.style(line, dim)
		}
		t.plain("%s", line)
	}
}

// clip makes b fit on one terminal line, whatever it contains.
func clip(b []byte) string {
	const width = 110
	r := []rune(strings.ToValidUTF8(string(b[:min(len(b), 4*width)]), "\ufffd"))
	for i := range r {
		if !unicode.IsPrint(r[i]) {
			r[i] = ' '
		}
	}
	if len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return string(r)
}
