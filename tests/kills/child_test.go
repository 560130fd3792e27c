package kills

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

const (
	killTopics  = 10
	killWorkers = 4
)

func killOptions(mode pipeproc.SyncMode) *pipeproc.Options {
	return &pipeproc.Options{Sync: mode, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

func killTopic(i int) string { return fmt.Sprintf("topic-%d", i) }

// batchKey names a batch. All that a batch holds follows from it.
type batchKey struct{ round, worker, n int }

func (k batchKey) String() string { return fmt.Sprintf("%d-%d-%d", k.round, k.worker, k.n) }

func (k batchKey) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, k.String())
	return h.Sum64()
}

// topics lists the topics of the batch's records, in order: each topic once and
// a few more.
func (k batchKey) topics() []int {
	h := k.hash()
	list := make([]int, 0, killTopics+3)
	for i := range killTopics {
		list = append(list, (i+int(h%killTopics))%killTopics)
	}
	for range (h >> 8) % 4 {
		h = h*6364136223846793005 + 1
		list = append(list, int(h>>33)%killTopics)
	}
	return list
}

// body is the body of record i.
func (k batchKey) body(i int) []byte {
	b := fmt.Appendf(nil, "%v/%d ", k, i)
	h := k.hash() + uint64(i)
	n := (h >> 16) % 250
	if h%199 == 0 {
		n = 20000
	}
	for range n {
		h = h*6364136223846793005 + 1442695040888963407
		b = append(b, byte(h>>40))
	}
	return b
}

// parseBody is the inverse of body. It checks every byte.
func parseBody(b []byte) (k batchKey, i int, err error) {
	head, _, ok := strings.Cut(string(b[:min(len(b), 64)]), " ")
	if !ok {
		return k, 0, fmt.Errorf("body %.80q", b)
	}
	key, num, _ := strings.Cut(head, "/")
	if k, err = parseKey(key); err != nil {
		return k, 0, err
	}
	if i, err = strconv.Atoi(num); err != nil {
		return k, 0, err
	}
	if want := k.body(i); string(want) != string(b) {
		return k, i, fmt.Errorf("record %d of batch %v has wrong bytes", i, k)
	}
	return k, i, nil
}

func parseKey(s string) (k batchKey, err error) {
	p := strings.Split(s, "-")
	if len(p) != 3 {
		return k, fmt.Errorf("batch key %q", s)
	}
	var n [3]int
	for i := range p {
		if n[i], err = strconv.Atoi(p[i]); err != nil {
			return k, err
		}
	}
	return batchKey{n[0], n[1], n[2]}, nil
}

// commitChild commits to a directory, in a mode and a round, until it is killed, and
// prints every acknowledged batch.
func commitChild(args []string) error {
	round, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	n, err := pipeproc.Open(args[0], killOptions(process.Mode(args[1])))
	if err != nil {
		return err
	}
	if r := n.Recovery(); len(r.Damage) > 0 {
		return fmt.Errorf("damage: %w", errors.Join(r.Damage...))
	}
	errc := make(chan error, killWorkers)
	var wg sync.WaitGroup
	for w := range killWorkers {
		wg.Go(func() { errc <- commitWorker(n, round, w) })
	}
	err = <-errc
	return err
}

func commitWorker(n *pipeproc.Node, round, worker int) error {
	ctx := context.Background()
	var b pipeproc.Batch
	var line []byte
	for i := 0; ; i++ {
		k := batchKey{round, worker, i}
		b.Reset()
		for j, t := range k.topics() {
			if err := b.Add(killTopic(t), k.body(j)); err != nil {
				return err
			}
		}
		if err := n.CommitBatch(ctx, &b); err != nil {
			return err
		}
		line = append(append(line[:0], "ack "...), k.String()...)
		for _, id := range b.IDs() {
			line = append(line, ' ')
			line, _ = id.AppendText(line)
		}
		line = append(line, '\n')
		if _, err := os.Stdout.Write(line); err != nil { // one write, below PIPE_BUF: whole or not at all
			return err
		}
	}
}

// holdChild holds a directory until its standard input ends.
func holdChild(args []string) error {
	n, err := pipeproc.Open(args[0], nil)
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return n.Close()
}
