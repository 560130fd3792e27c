package wal_test

import (
	"fmt"
	"log"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

func Example() {
	fs := vfs.NewMem()
	cfg := wal.Config{FS: fs, Dir: "wal", Epoch: 1}
	l, err := wal.Create(cfg, 1, 1, wal.Tail{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	body := []byte("hello")
	_, first, err := l.Append([]wal.Frame{
		{Meta: []byte("greeting"), Parts: []wal.Part{{Bytes: body, Sum: xxhash.Sum64(body)}}},
		{Meta: []byte("nothing")},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Sync(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("first", first, "durable", l.Durable())
	if err := l.Close(1); err != nil {
		log.Fatal(err)
	}

	res, err := wal.Replay(wal.ReplayConfig{FS: fs, Dir: "wal", Number: 1, Position: 1},
		func(e *wal.Entry) error {
			fmt.Printf("%d %s, %d parts\n", e.Position, e.Meta, len(e.Parts))
			return nil
		})
	if err != nil || res.Damage != nil {
		log.Fatal(err, res.Damage)
	}
	// What the next life needs.
	cfg.Epoch++
	l, err = wal.Create(cfg, res.Highest+1, res.Position, res.Tail, res.Void)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("next", l.Position()+1, "files", l.Files())
	// Output:
	// first 1 durable 2
	// 1 greeting, 1 parts
	// 2 nothing, 0 parts
	// next 3 files 2
}
