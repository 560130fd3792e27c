package transport

import (
	"encoding/binary"
	"unicode/utf8"
)

// These constants are part of the protocol and must not be changed.
const (
	helloMagic = "PPRPC\n"
	helloSize  = 58 // without the name
	maxName    = 255

	// requiredFeatures is the mask of the feature bits that a peer must know.
	requiredFeatures = 0xffff_0000
	// knownFeatures is the mask of those that this package knows: none yet.
	knownFeatures = 0

	minVersion = 1
	maxVersion = 1
)

// Limits are what a side accepts. The other side keeps to them.
type Limits struct {
	MaxMessage   uint32 // bytes of a request, reply or item, over all its frames
	StreamCredit uint32 // initial credit of every stream, in bytes; of a client
	MaxCalls     uint32 // calls in flight; of a node
	MaxBytes     uint32 // bytes of the requests in flight, with RequestCost each; of a node
}

// RequestCost is how many bytes a request counts on top of its message towards
// Limits.MaxBytes. It is part of the protocol.
const RequestCost = 512

// Hello is a client's first frame.
type Hello struct {
	MinVersion, MaxVersion uint16
	Features               uint32
	Limits                 Limits
	ClientID               [16]byte
	Name                   string // for logs, at most 255 bytes of UTF-8
}

// Welcome is a node's answer to a hello.
type Welcome struct {
	Version  uint16 // the version that both sides will use
	Features uint32 // those of the hello that the node will use
	Limits   Limits
	NodeID   [16]byte
	Epoch    uint64 // of the store: it grows every time the store is opened
	Software string // name and version, at most 255 bytes of UTF-8
}

// AppendHello appends the payload of a hello.
func AppendHello(dst []byte, h *Hello) []byte {
	return appendGreeting(dst, h.MinVersion, h.MaxVersion, h.Features, &h.Limits, &h.ClientID, 0, h.Name)
}

// AppendWelcome appends the payload of a welcome.
func AppendWelcome(dst []byte, w *Welcome) []byte {
	return appendGreeting(dst, w.Version, w.Version, w.Features, &w.Limits, &w.NodeID, w.Epoch, w.Software)
}

func appendGreeting(dst []byte, least, most uint16, features uint32, l *Limits, id *[16]byte, epoch uint64, name string) []byte {
	le := binary.LittleEndian
	dst = append(dst, helloMagic...)
	dst = le.AppendUint16(dst, least)
	dst = le.AppendUint16(dst, most)
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint32(dst, features)
	for _, v := range [...]uint32{l.MaxMessage, l.StreamCredit, l.MaxCalls, l.MaxBytes} {
		dst = le.AppendUint32(dst, v)
	}
	dst = append(dst, id[:]...)
	dst = le.AppendUint64(dst, epoch)
	name = name[:min(len(name), maxName)]
	dst = le.AppendUint16(dst, uint16(len(name)))
	return append(dst, name...)
}

// DecodeHello decodes the payload of a hello.
func DecodeHello(b []byte) (Hello, error) {
	var h Hello
	var reserved uint64
	err := decodeGreeting(b, &h.MinVersion, &h.MaxVersion, &h.Features, &h.Limits, &h.ClientID, &reserved, &h.Name)
	if err == nil && (h.MinVersion > h.MaxVersion || h.MaxVersion == 0) {
		err = protocolError("versions %d to %d", h.MinVersion, h.MaxVersion)
	}
	return h, err
}

// DecodeWelcome decodes the payload of a welcome.
func DecodeWelcome(b []byte) (Welcome, error) {
	var w Welcome
	var again uint16
	err := decodeGreeting(b, &w.Version, &again, &w.Features, &w.Limits, &w.NodeID, &w.Epoch, &w.Software)
	switch {
	case err != nil:
	case w.Version != again || w.Version == 0:
		err = protocolError("a welcome with versions %d and %d", w.Version, again)
	case w.Limits.MaxMessage < minMessage || w.Limits.MaxCalls == 0 || w.Limits.MaxBytes == 0:
		err = protocolError("a welcome with limits that allow nothing: %+v", w.Limits)
	}
	return w, err
}

func decodeGreeting(b []byte, least, most *uint16, features *uint32, l *Limits, id *[16]byte, epoch *uint64, name *string) error {
	le := binary.LittleEndian
	if len(b) < helloSize || string(b[:len(helloMagic)]) != helloMagic {
		return protocolError("not a hello")
	}
	*least, *most = le.Uint16(b[6:]), le.Uint16(b[8:])
	*features = le.Uint32(b[12:])
	*l = Limits{le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint32(b[28:])}
	copy(id[:], b[32:])
	*epoch = le.Uint64(b[48:])
	n := int(le.Uint16(b[56:]))
	if n > maxName || n > len(b)-helloSize {
		return protocolError("a name of %d bytes", n)
	}
	*name = string(b[helloSize : helloSize+n])
	if !utf8.ValidString(*name) {
		return protocolError("a name that is not UTF-8")
	}
	return nil
}

// negotiate returns the welcome's version and features for a hello.
func negotiate(h *Hello) (version uint16, features uint32, err error) {
	if h.MinVersion > maxVersion || h.MaxVersion < minVersion {
		return 0, 0, errUnsupported.With(versionText(h))
	}
	if f := h.Features & requiredFeatures &^ knownFeatures; f != 0 {
		return 0, 0, errUnsupported.With(featureText(f))
	}
	return min(h.MaxVersion, maxVersion), h.Features & knownFeatures, nil
}
