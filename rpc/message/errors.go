package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// wireError is the details of an error, as JSON.
type wireError struct {
	Conflict *topics.ConflictError `json:"conflict,omitempty"`
	Pruned   *topics.PrunedError   `json:"pruned,omitempty"`
	Corrupt  *wireCorruptness      `json:"corrupt,omitempty"`
}

type wireCorruptness struct {
	File, Topic, What string
	Segment           uint64
	Offset            int64
	First, Next       uint64
}

// EncodeError splits an error into the parts that are sent to a client.
func EncodeError(err error) (code, text string, details []byte) {
	var w wireError
	if c, ok := errors.AsType[*topics.ConflictError](err); ok {
		w.Conflict = c
	} else if p, ok := errors.AsType[*topics.PrunedError](err); ok {
		w.Pruned = p
	} else if c, ok := errors.AsType[*errs.CorruptError](err); ok && errs.Code(err) == "corrupt" {
		w.Corrupt = &wireCorruptness{File: c.File, Topic: c.Topic, What: c.What, Segment: c.Segment, Offset: c.Offset, First: c.First, Next: c.Next}
	}
	if w != (wireError{}) {
		details, _ = json.Marshal(w)
	}
	code = pipeproc.Code(err)
	if code == "" && errors.Is(err, vfs.ErrLocked) {
		code = codeInUse
	}
	return code, err.Error(), details
}

// codeInUse is the code of the error of a directory that another process holds.
const codeInUse = "in_use"

// DecodeError rebuilds an error from its parts.
func DecodeError(code, text string, details []byte) error {
	var w wireError
	if len(details) > 0 && json.Unmarshal(details, &w) == nil {
		switch {
		case w.Conflict != nil:
			return w.Conflict
		case w.Pruned != nil:
			return w.Pruned
		case w.Corrupt != nil:
			c := w.Corrupt
			return &errs.CorruptError{File: c.File, Topic: c.Topic, What: c.What, Segment: c.Segment, Offset: c.Offset, First: c.First, Next: c.Next}
		}
	}
	if code == "" {
		return errors.New(text)
	}
	if code == codeInUse {
		return fmt.Errorf("%w: %s", vfs.ErrLocked, text)
	}
	return &errs.Error{Code: code, Detail: strings.TrimPrefix(strings.TrimPrefix(text, code), ": ")}
}
