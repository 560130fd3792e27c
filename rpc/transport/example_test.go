package transport_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// A node and a client over a unix socket: a call, and a stream.
func Example() {
	dir, err := os.MkdirTemp("", "rpc")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	addr, err := transport.ParseAddr("unix://" + filepath.Join(dir, "node.sock"))
	if err != nil {
		panic(err)
	}

	server, err := transport.NewServer(func(_ context.Context, c *transport.Call) {
		switch c.Method() {
		case 1:
			_ = c.Reply([]byte("hello, "), c.Body())
		case 2:
			for i := range 3 {
				if c.Item(fmt.Append(nil, i)) != nil {
					return // the client is gone, or does not want it any more
				}
			}
			_ = c.End()
		}
	}, transport.ServerOptions{Software: "example 1"})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	l, err := transport.Listen(ctx, addr, nil)
	if err != nil {
		panic(err)
	}
	go server.Serve(ctx, l)

	conn, err := transport.Dial(ctx, addr, &transport.DialOptions{Clock: time.Now})
	if err != nil {
		panic(err)
	}
	reply, err := conn.Call(ctx, 1, []byte("world"))
	fmt.Printf("%s %v\n", reply, err)
	stream, err := conn.Stream(ctx, 2)
	if err != nil {
		panic(err)
	}
	for {
		item, err := stream.Next(ctx)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s\n", item)
	}
	conn.Close()
	fmt.Println(server.Shutdown(ctx))
	// Output:
	// hello, world <nil>
	// 0
	// 1
	// 2
	// EOF
	// <nil>
}
