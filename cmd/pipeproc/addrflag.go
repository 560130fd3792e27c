package main

import (
	"errors"
	"strings"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// addrFlag is the address of a node.
type addrFlag struct{ addr *transport.Addr }

func (f addrFlag) Set(s string) (err error) {
	*f.addr, err = parseAddr(s)
	return err
}

func (f addrFlag) String() string { return "" }
func (f addrFlag) Type() string   { return "ADDR" }

// addrsFlag is a flag that may be given several times.
type addrsFlag struct{ addrs []transport.Addr }

func (f *addrsFlag) Set(s string) error {
	a, err := parseAddr(s)
	if err == nil {
		f.addrs = append(f.addrs, a)
	}
	return err
}

func (f *addrsFlag) String() string { return "" }
func (f *addrsFlag) Type() string   { return "ADDR" }

func parseAddr(s string) (transport.Addr, error) {
	a, err := transport.ParseAddr(s)
	if err != nil {
		return a, errors.New("it must be unix:///path, tcp://host:port or tls://host:port")
	}
	return a, nil
}

// namespaceFlag is the name of a private socket.
type namespaceFlag struct{ addr *transport.Addr }

func (f namespaceFlag) Set(s string) error {
	a, err := transport.Namespace(s)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "invalid_options: namespace: "))
	}
	*f.addr = a
	return nil
}

func (f namespaceFlag) String() string { return "" }
func (f namespaceFlag) Type() string   { return "NAME" }
