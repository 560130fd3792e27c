package main

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
)

// sampleLog is described in sample/README.md.
//
//go:embed sample/dpkg.log
var sampleLog []byte

// packageEvent is what the demo makes of a line of the package manager's log.
type packageEvent struct {
	Line    uint64 `json:"line"` // sequence of the line in its topic
	At      string `json:"at"`
	Action  string `json:"action"`
	Package string `json:"package,omitempty"`
	Arch    string `json:"arch,omitempty"`
	State   string `json:"state,omitempty"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
}

var packageActions = []string{"startup", "status", "install", "upgrade", "configure", "trigproc", "remove", "purge"}

// parsePackageLine parses "DATE TIME ACTION ARGUMENT...".
func parsePackageLine(line string) (e packageEvent, ok bool) {
	if line == "" || line[0] < '0' || line[0] > '9' {
		return e, false // most other lines, soon
	}
	f := strings.Fields(line)
	if len(f) < 4 || !slices.Contains(packageActions, f[2]) {
		return e, false
	}
	at, err := time.Parse(time.DateTime, f[0]+" "+f[1])
	if err != nil {
		return e, false
	}
	e = packageEvent{At: at.Format("2006-01-02T15:04:05"), Action: f[2]}
	args := f[3:]
	switch e.Action {
	case "startup":
		e.State = strings.Join(args, " ")
		return e, true
	case "status":
		e.State, args = args[0], args[1:]
	}
	if len(args) < 2 {
		return e, false
	}
	e.Package, e.Arch, _ = strings.Cut(args[0], ":")
	version := func(s string) string {
		if s == "<none>" {
			return ""
		}
		return s
	}
	if e.Action == "status" {
		e.To = version(args[1])
	} else if len(args) == 3 {
		e.From, e.To = version(args[1]), version(args[2])
	}
	return e, true
}

// lineEvent is what the demo makes of any other line.
type lineEvent struct {
	Line  uint64 `json:"line"`
	Word  string `json:"word"` // the first one
	Words int    `json:"words"`
	Bytes int    `json:"bytes"`
}

// demoEvent returns the key and the body of the event of a line. The key is the
// first word, which in the package manager's log is the action.
func demoEvent(seq uint64, text string) (key, body []byte) {
	if e, ok := parsePackageLine(text); ok {
		e.Line = seq
		body, _ = json.Marshal(e)
		return []byte(e.Action), body
	}
	e := lineEvent{Line: seq, Word: firstWord(text), Words: len(strings.Fields(text)), Bytes: len(text)}
	body, _ = json.Marshal(e)
	return []byte(e.Word), body
}

// calendar lists words that occur in dates at the start of lines.
const calendar = " jan feb mar apr may jun jul aug sep oct nov dec mon tue wed thu fri sat sun "

// firstWord returns the first word of a line, in lower case. Anything that
// starts with a digit or is part of a date is not a word.
func firstWord(line string) string {
	const longest = 24
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' }) {
		r := []rune(strings.ToLower(strings.ToValidUTF8(word, "")))
		if len(r) < 2 || !unicode.IsLetter(r[0]) {
			continue
		}
		word = string(r[:min(len(r), longest)])
		if !strings.Contains(calendar, " "+word+" ") {
			return word
		}
	}
	return "(none)"
}

// lineKey returns the key of the event of a line.
func lineKey(text string) string {
	if e, ok := parsePackageLine(text); ok {
		return e.Action
	}
	return firstWord(text)
}
