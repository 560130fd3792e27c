package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
	"time"
)

// sampleLog is described in sample/README.md.
//
//go:embed sample/dpkg.log
var sampleLog []byte

// packageEvent is a line of the package manager's log.
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

// packageTopics are the topics of actions.
var packageTopics = map[string]string{
	"startup": "startups", "status": "states", "install": "installs", "upgrade": "upgrades", "configure": "configures",
	"trigproc": "triggers", "remove": "removals", "purge": "purges",
}

// parsePackageLine parses "DATE TIME ACTION ARGUMENT...".
func parsePackageLine(line []byte) (topic string, e packageEvent, ok bool) {
	f := strings.Fields(string(line))
	if len(f) < 4 {
		return "", e, false
	}
	at, err := time.Parse(time.DateTime, f[0]+" "+f[1])
	topic = packageTopics[f[2]]
	if err != nil || topic == "" {
		return "", e, false
	}
	e = packageEvent{At: at.Format("2006-01-02T15:04:05"), Action: f[2]}
	args := f[3:]
	switch e.Action {
	case "startup":
		e.State = strings.Join(args, " ")
		return topic, e, true
	case "status":
		e.State, args = args[0], args[1:]
	}
	if len(args) < 2 {
		return "", e, false
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
	return topic, e, true
}

// lineEvent is what the demo makes of a line of any other file.
type lineEvent struct {
	Line  uint64 `json:"line"`
	Words int    `json:"words"`
	Bytes int    `json:"bytes"`
}

// demoEvent returns the event that goes with a line: its topic, key and body.
func demoEvent(seq uint64, line []byte, packages bool) (topic string, key, body []byte) {
	if packages {
		if topic, e, ok := parsePackageLine(line); ok {
			e.Line = seq
			body, _ = json.Marshal(e)
			return topic, []byte(e.Package), body
		}
	}
	body, _ = json.Marshal(lineEvent{seq, len(bytes.Fields(line)), len(line)})
	return "words", nil, body
}
