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
	CodeGoingAway   = "going_away"          // the node takes no new calls; this one was not begun
	CodeInternal    = "internal"            // a handler panicked
	CodeNoReply     = "no_reply"            // a handler returned without a reply
	CodeOverloaded  = "overloaded"          // the node has all the connections that it takes
	CodeProtocol    = "protocol_error"      // the peer does not keep to the protocol
	CodeTooLarge    = "too_large"           // a message over its limit
	CodeUnsupported = "unsupported_version" // no version or feature in common
)

// Errors to test for with errors.Is.
var (
	// ErrDisconnected: the connection ended before the reply came. Whether the
	// node did what it was asked for is not known, unless the error matches
	// ErrNotSent.
	ErrDisconnected = errors.New("disconnected")
	// ErrNotSent: the request, or its end, was never handed to the connection,
	// so the node did nothing.
	ErrNotSent = errors.New("not sent")
	// ErrClosed: the Conn, or the Server, was closed by its owner.
	ErrClosed error = errs.Closed
	// ErrGoingAway: the node is shutting down and has not begun the call.
	ErrGoingAway error = errGoingAway
	// ErrNoWelcome: a connection was made, and no welcome came over it.
	ErrNoWelcome error = errNoWelcome
	// ErrAddress: not an address, or not one that goes with the options.
	ErrAddress error = errAddress
	// ErrAddressInUse: somebody else listens there.
	ErrAddressInUse error = errInUse
	// ErrProtocol: the peer does not keep to the protocol.
	ErrProtocol error = errProtocol
	// ErrTooLarge: a message over the limit of the peer; it was not sent.
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

// RemoteError is what the peer answered in place of a reply, or, for a whole
// connection, why it ended it. It matches an error of internal/errs with the
// same code, and context.Canceled and context.DeadlineExceeded where its code
// says that.
type RemoteError struct {
	Code    string // machine-readable
	Text    string // for people; may begin with the code
	Details []byte // whatever goes with the code; may be empty
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
