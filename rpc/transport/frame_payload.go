package transport

import (
	"encoding/binary"
	"fmt"
	"time"
)

const (
	// minMessage is the smallest limit on messages that a peer may have, in
	// bytes.
	minMessage  = 1024
	timeoutSize = 4 // of the timeout in a request, before the body
	maxCode     = 64
	maxText     = 4096
	// maxDetails keeps an error within one frame.
	maxDetails = 256 << 10
)

// AppendRequest appends the message of a request. A timeout of 0 means none;
// others are rounded up to milliseconds and capped at 49 days.
func AppendRequest(dst []byte, timeout time.Duration, body []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, timeoutMillis(timeout))
	return append(dst, body...)
}

// DecodeRequest decodes the message of a request. The body aliases b.
func DecodeRequest(b []byte) (timeout time.Duration, body []byte, err error) {
	if len(b) < timeoutSize {
		return 0, nil, protocolError("a request of %d bytes", len(b))
	}
	return time.Duration(binary.LittleEndian.Uint32(b)) * time.Millisecond, b[timeoutSize:], nil
}

func timeoutMillis(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	ms := d / time.Millisecond
	if d%time.Millisecond != 0 {
		ms++
	}
	return uint32(min(ms, 1<<32-1))
}

// AppendError appends the payload of an error so that it fits in a frame: a
// code over 64 bytes and a text over 4 KiB are cut, details over 256 KiB are
// left out.
func AppendError(dst []byte, e *RemoteError) []byte {
	code, text, details := e.Code[:min(len(e.Code), maxCode)], e.Text[:min(len(e.Text), maxText)], e.Details
	if len(details) > maxDetails {
		details = nil
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(code)))
	dst = append(dst, code...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(text)))
	dst = append(dst, text...)
	return append(dst, details...)
}

// DecodeError decodes the payload of an error. The result does not alias b.
func DecodeError(b []byte) (*RemoteError, error) {
	code, b, ok := cutString(b)
	text, b, ok2 := cutString(b)
	if !ok || !ok2 {
		return nil, protocolError("an error that is cut off")
	}
	e := &RemoteError{Code: code, Text: text}
	if len(b) > 0 {
		e.Details = append(e.Details, b...)
	}
	return e, nil
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; n > len(b) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

func versionText(h *Hello) string {
	return fmt.Sprintf("the node speaks versions %d to %d of the protocol, the client %d to %d",
		minVersion, maxVersion, h.MinVersion, h.MaxVersion)
}

func featureText(unknown uint32) string {
	return fmt.Sprintf("the client requires features %#x, which the node does not know", unknown)
}
