package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/worker/program"
)

func init() {
	helpers["stage"] = stage
	helpers["program"] = copyLines
	groups = append(groups, func(params) []*workload {
		own := []string{"pipeproc"}
		what := "two stages that copy, count 100, while a writer commits batches of 100; not synced; "
		return []*workload{
			{name: "pipeline", variant: "in process", size: 128, n: 300_000, batch: 100, quick: own, what: what + "processors in the node's process",
				run: func(j *job) error { return pipeline(j, inProcess) }},
			{name: "pipeline", variant: "clients", size: 128, n: 300_000, batch: 100, full: own, what: what + "each stage in a process of its own, over a unix socket",
				run: func(j *job) error { return pipeline(j, clients) }},
			{name: "pipeline", variant: "programs", size: 128, n: 100_000, batch: 100, full: own, what: what + "each stage a program that gets lines of JSON",
				run: func(j *job) error { return pipeline(j, programs) }},
		}
	})
}

func topicName(i int) string { return fmt.Sprint("stage-", i) }

func stageOptions(i int, p pipeproc.Processor) pipeproc.SystemProcOptions {
	return pipeproc.SystemProcOptions{Name: fmt.Sprint("s", i), From: []string{topicName(i)}, To: []string{topicName(i + 1)}, Count: 100, Processor: p}
}

func copyRecords(_ context.Context, w *pipeproc.Work) error {
	for _, r := range w.Records() {
		w.Emit(r.Body)
	}
	return nil
}

// pipeline writes to the first topic and waits until everything has reached the
// last.
func pipeline(j *job, start func(n *pipeproc.Node) (end func() error, err error)) (err error) {
	ctx := context.Background()
	n, err := pipeproc.Open(j.Dir, &pipeproc.Options{Sync: pipeproc.SyncNever})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	for i := range 3 {
		if err := n.CreateTopic(ctx, topicName(i), pipeproc.TopicOptions{}); err != nil {
			return err
		}
	}
	end, err := start(n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var b pipeproc.Batch
	body := bytes.Repeat([]byte("x"), j.w.size)
	j.start()
	for range j.n / j.w.batch {
		b.Reset()
		for range j.w.batch {
			_ = b.Add(topicName(0), body)
		}
		if err := n.CommitBatch(ctx, &b); err != nil {
			return err
		}
	}
	if err := n.WaitForProcs(ctx); err != nil {
		return err
	}
	j.stop(j.n)
	got, err := n.Length(ctx, topicName(2))
	if err == nil && got != uint64(j.n) {
		err = fmt.Errorf("%d records came out", got)
	}
	return err
}

func inProcess(n *pipeproc.Node) (func() error, error) {
	for i := range 2 {
		if _, err := n.DefineSystemProc(context.Background(), stageOptions(i, copyRecords)); err != nil {
			return nil, err
		}
	}
	return func() error { return nil }, nil
}

// programs runs this program itself as the processor of each stage.
func programs(n *pipeproc.Node) (func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(spec{Phase: "program"})
	if err != nil {
		return nil, err
	}
	var list []*program.Program
	end := func() error {
		var err error
		for _, p := range list {
			err = errors.Join(err, p.Close())
		}
		return err
	}
	for i := range 2 {
		p, err := program.New(program.Options{Command: []string{self, childArg, string(arg)}})
		if err != nil {
			return nil, errors.Join(err, end())
		}
		list = append(list, p)
		if _, err := n.DefineSystemProc(context.Background(), stageOptions(i, p.Process)); err != nil {
			return nil, errors.Join(err, end())
		}
	}
	return end, nil
}

// copyLines is that program. It answers each record with its body.
func copyLines(*spec) error {
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	if _, err := out.WriteString("{\"pipeproc\":1}\n"); err != nil {
		return err
	}
	for first := true; ; first = false {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		if first {
			continue // the greeting
		}
		comma := bytes.IndexByte(line, ',') // n is the first field, body the last
		body := bytes.Index(line, []byte(`"body":`))
		if comma < 0 || body < 0 {
			return fmt.Errorf("not a record: %q", line)
		}
		_, _ = out.Write(line[:comma])
		_, _ = out.WriteString(`,"out":[`)
		_, _ = out.Write(bytes.TrimSuffix(line[body+len(`"body":`):], []byte("}\n")))
		_, _ = out.WriteString("]}\n") // Flush tells of errors
	}
}

// clients runs each stage in its own process.
func clients(n *pipeproc.Node) (func() error, error) {
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	sock := filepath.Join(dir, "s")
	l, err := net.Listen("unix", sock)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(ctx, n, l, nil) }()
	var list []*helper
	end := func() error {
		var err error
		for _, h := range list {
			err = errors.Join(err, h.stop())
		}
		cancel()
		return errors.Join(err, <-served, os.RemoveAll(dir))
	}
	for i := range 2 {
		h, err := startHelper(spec{Phase: "stage", Args: []string{sock, fmt.Sprint(i)}})
		if err != nil {
			return nil, errors.Join(err, end())
		}
		list = append(list, h)
	}
	return end, nil
}

// stage is the process of one stage.
func stage(sp *spec) error {
	i := 0
	if _, err := fmt.Sscan(sp.Args[1], &i); err != nil {
		return err
	}
	ctx := context.Background()
	c, err := rpc.Connect(ctx, "unix://"+sp.Args[0], nil)
	if err != nil {
		return err
	}
	if _, err := c.DefineSystemProc(ctx, stageOptions(i, copyRecords)); err != nil {
		return errors.Join(err, c.Close())
	}
	<-untilStopped().Done()
	return c.Close()
}
