package program

import (
	"strconv"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/internal/jsontext"
	"github.com/pipeproc/pipeproc/record"
)

// version is the version of the protocol.
const version = 1

// greeting returns the first line to a program.
func greeting(name string) []byte {
	line := append([]byte(`{"pipeproc":`), strconv.Itoa(version)...)
	if name != "" {
		line = append(line, `,"proc":`...)
		line = jsontext.AppendString(line, []byte(name))
	}
	return append(line, '}', '\n')
}

// writer encodes the lines of a claim. Its memory is reused from claim to
// claim.
type writer struct {
	line    []byte
	proc    []byte // part of all lines after n, in a shared program
	topic   []byte // part of all lines between n and id
	attempt []byte // part of all lines before the body
	exact   bool   // bodies are always strings
	json    scanner
}

func (w *writer) begin(topic string, attempt int) {
	w.topic = append(w.topic[:0], `,"topic":"`...)
	w.topic = append(w.topic, topic...) // a name needs no escapes
	w.topic = append(w.topic, `","id":"`...)
	w.attempt = append(w.attempt[:0], `,"attempt":`...)
	w.attempt = strconv.AppendInt(w.attempt, int64(attempt), 10)
	w.line, w.proc = w.line[:0], w.proc[:0]
}

// of sets the proc of the claim, in a shared program.
func (w *writer) of(proc string) {
	w.proc = append(w.proc, `,"proc":`...)
	w.proc = jsontext.AppendText(w.proc, proc)
	w.proc = append(w.proc, `,"more":`...)
}

// trim releases an unusual amount of memory.
func (w *writer) trim() {
	w.line = trimmed(w.line, 1)
	w.json = scanner{stack: trimmed(w.json.stack, 1)}
}

// add appends the line of a record. more records of the claim follow it.
func (w *writer) add(n uint64, more int, rec *record.Record) {
	b := append(w.line, `{"n":`...)
	b = strconv.AppendUint(b, n, 10)
	if len(w.proc) > 0 {
		b = append(b, w.proc...)
		b = strconv.AppendInt(b, int64(more), 10)
	}
	b = append(b, w.topic...)
	b, _ = rec.ID.AppendText(b) // never fails
	b = append(b, '"')
	b = jsontext.AppendMeta(b, rec)
	b = append(b, w.attempt...)
	b = w.body(b, rec.Body)
	w.line = append(b, '}', '\n')
}

func (w *writer) body(dst, body []byte) []byte {
	const field = `,"body":`
	if !utf8.Valid(body) {
		dst = append(dst, `,"encoding":"base64"`...)
		dst = append(dst, field...)
		return jsontext.AppendBase64(dst, body)
	}
	dst = append(dst, field...)
	if w.exact {
		return jsontext.AppendString(dst, body)
	}
	from := len(dst)
	w.json.reset(body)
	if dst, ok := w.json.value(dst); ok && w.json.end() {
		return jsontext.EscapeBreaks(dst, from)
	}
	return jsontext.AppendString(dst[:from], body) // not JSON
}
