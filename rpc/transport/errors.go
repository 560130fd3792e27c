package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Codes of errors that the transport itself sends.
const (
	CodeCanceled    = "canceled"            // the client canceled the call
	CodeDeadline    = "deadline_exceeded"   // the call's deadline has passed
	CodeGoingAway   = "going_away"          // the node accepts no new calls; this one was not begun
	CodeInternal    = "internal"            // a handler panicked
	CodeNoReply     = "no_reply"            // a handler returned without a reply
	CodeOverloaded  = "overloaded"          // the node has as many connections as it accepts
	CodeProtocol    = "protocol_error"      // the peer broke the protocol
	CodeTooLarge    = "too_large"           // a message over its limit
	CodeUnsupported = "unsupported_version" // no version or feature in common
)

// Errors to test for with errors.Is.
var (
	// ErrDisconnected: the connection ended before the reply came. Whether the
	// node carried out the call is unknown, unless the error matches
	// ErrNotSent.
	ErrDisconnected = errors.New("disconnected")
	// ErrNotSent: the request was never handed to the connection in full, so
	// the node did nothing.
	ErrNotSent = errors.New("not sent")
	// ErrClosed: the Conn, or the Server, was closed by its owner.
	ErrClosed error = errs.Closed
	// ErrGoingAway: the node is shutting down and has not begun the call.
	ErrGoingAway error = errGoingAway
	// ErrNoWelcome: a connection was made, but no welcome arrived.
	ErrNoWelcome error = errNoWelcome
	// ErrAddress: not an address, or one that does not go with the options.
	ErrAddress error = errAddress
	// ErrAddressInUse: another node or program listens there.
	ErrAddressInUse error = errInUse
	// ErrProtocol: the peer broke the protocol.
	ErrProtocol error = errProtocol
	// ErrTooLarge: a message over the peer's limit; it was not sent.
	ErrTooLarge error = errs.TooLarge
	// ErrInvalidOptions: the text names the option.
	ErrInvalidOptions error = errs.InvalidOptions
)

var (
	errProtocol    = &errs.Error{Code: CodeProtocol}
	errGoingAway   = &errs.Error{Code: CodeGoingAway}
	errUnsupported = &errs.Error{Code: CodeUnsupported}
	errNoWelcome   = &errs.Error{Code: "connection timed-out"}
	errAddress     = &errs.Error{Code: "Invalid connection address"}
	errInUse       = &errs.Error{Code: "address_in_use"}
)

func protocolError(format string, a ...any) error {
	return errProtocol.With(fmt.Sprintf(format, a...))
}

// RemoteError is the peer's error answer to a call or, for a whole connection,
// its reason for ending it. It matches an error of internal/errs with the same
// code. If its code says so, it also matches context.Canceled or
// context.DeadlineExceeded.
type RemoteError struct {
	Code    string // machine-readable
	Text    string // for people; may begin with the code
	Details []byte // depends on the code; may be empty
}

func (e *RemoteError) Error() string {
	switch {
	case e.Text == "":
		return e.Code
	case e.Text == e.Code, strings.HasPrefix(e.Text, e.Code+":"):
		return e.Text
	}
	return e.Code + ": " + e.Text
}

// Is reports whether target stands for e's code.
func (e *RemoteError) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == CodeCanceled
	case context.DeadlineExceeded:
		return e.Code == CodeDeadline
	}
	t, ok := target.(*errs.Error)
	return ok && t.Code == e.Code
}

// lostError is the error of a call whose connection ended.
type lostError struct {
	cause   error
	notSent bool
}

func (e *lostError) Error() string {
	s := "disconnected"
	if e.notSent {
		s = "disconnected before the request was sent"
	}
	if e.cause == nil {
		return s
	}
	return s + ": " + e.cause.Error()
}

func (e *lostError) Is(target error) bool {
	return target == ErrDisconnected || target == ErrNotSent && e.notSent
}

func (e *lostError) Unwrap() error { return e.cause }
