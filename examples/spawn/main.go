// Command spawn runs a node in a child process, and a processor in a worker
// process of that node: three processes of one program. Try it: go run
// ./examples/spawn
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/worker/program"
)

// upper is run in worker processes.
func upper(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
	w.Emit(bytes.ToUpper(rec.Body))
	return nil
}

func main() {
	self := rpc.Main(map[string]pipeproc.Processor{"upper": pipeproc.Each(upper)})
	if err := run(context.Background(), self); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, self *program.Self) error {
	dir, err := os.MkdirTemp("", "pipeproc")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	node, err := rpc.Spawn(ctx, &rpc.SpawnOptions{
		Program: self,
		Dir:     filepath.Join(dir, "data"),
		Address: "unix://" + filepath.Join(dir, "node.sock"),
	})
	if err != nil {
		return err
	}
	defer node.Close()
	_, err = node.DefineSystemProc(ctx, pipeproc.SystemProcOptions{
		Name: "upper", From: []string{"orders"}, To: []string{"loud"}, Command: []string{program.CommandSelf},
	})
	if err != nil {
		return err
	}
	if _, err := node.Commit(ctx, pipeproc.Record{Topic: "orders", Body: []byte("tea")}, pipeproc.Record{Topic: "orders", Body: []byte("cake")}); err != nil {
		return err
	}
	if err := node.WaitForProcs(ctx, "upper"); err != nil {
		return err
	}
	for rec, err := range node.Range(ctx, "loud", pipeproc.RangeOptions{}) {
		if err != nil {
			return err
		}
		fmt.Println(string(rec.Body))
	}
	return node.Close()
}
