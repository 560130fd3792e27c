package segment_test

import (
	"fmt"
	"log"
	"os"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// Write a segment of two blocks, seal it, find a record by its sequence and
// scan from there.
func Example() {
	meta := segment.Meta{Store: [16]byte{1}, Topic: 5, Number: 1, Base: 100, Epoch: 1, Name: "orders"}
	place := meta.Place()
	f, err := segment.Create(vfs.NewMem(), "", meta, 1<<20)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	sum := segment.Summary{First: meta.Base, Next: meta.Base, FirstTime: 1000, DataEnd: segment.FileHeaderSize}
	var entries []segment.Entry
	var digest segment.Digest
	for _, word := range []string{"placed", "shipped"} {
		block := make([]byte, segment.HeaderSize) // header and body in one buffer
		block = segment.AppendRecord(block, []byte("order-1"), nil, []byte(word))
		block = segment.AppendRecord(block, []byte("order-2"), nil, []byte(word))
		body := block[segment.HeaderSize:]
		h := segment.Header{
			Stored: uint32(len(body)), Raw: uint32(len(body)),
			Base: sum.Next, Time: 1000, Count: 2, Sum: segment.Sum(body),
		}
		h.Put(block, place, sum.DataEnd)
		if _, err := f.WriteAt(block, sum.DataEnd); err != nil {
			log.Fatal(err)
		}
		entries = append(entries, segment.Entry{Seq: h.Base, Time: h.Time, Off: sum.DataEnd})
		digest.Add(segment.HeadSum(block))
		sum.Blocks++
		sum.Records += uint64(h.Count)
		sum.Next, sum.LastTime, sum.Digest = h.Next(), h.Time, digest.Sum()
		sum.DataEnd += h.Size()
	}
	if err := segment.Seal(f, entries, sum, place); err != nil {
		log.Fatal(err)
	}

	files := segment.NewFiles(vfs.NewMem(), "", 10, 10)
	defer files.Close()
	handle := files.Add(meta.Topic, meta.Number, f)
	defer handle.Release()
	footer, err := handle.Footer(place)
	if err != nil {
		log.Fatal(err)
	}
	entry, _ := footer.Floor(103)
	s := segment.NewScanner(handle.File(), place, entry.Off, footer.DataEnd, nil)
	for s.Next() {
		rs := segment.NewRecords(s.Header(), s.Body())
		var rec segment.Record
		for rs.Next(&rec) {
			fmt.Printf("%d %s %s\n", rec.Seq, rec.Key, rec.Body)
		}
		if rs.Err() != nil {
			log.Fatal(rs.Err())
		}
	}
	if s.Err() != nil {
		log.Fatal(s.Err())
	}
	// Output:
	// 102 order-1 shipped
	// 103 order-2 shipped
}

// Show what a file holds.
func ExampleDump() {
	meta := segment.Meta{Topic: 5, Number: 1, Base: 100, Epoch: 1, Name: "orders"}
	if err := segment.Dump(os.Stdout, readerAt(meta.Encode()), segment.FileHeaderSize, false); err != nil {
		log.Fatal(err)
	}
	// Output:
	// segment file of 512 bytes
	// header  store 00000000000000000000000000000000 topic 5 number 1 base 100 epoch 1 name "orders": ok
	// footer  none: file too short for a footer
}
