//go:build unix

package spawn

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// hello is the first frame of a client.
func hello() []byte {
	return transport.AppendFrame(nil, transport.Frame{Kind: transport.KindHello, Payload: transport.AppendHello(nil, &transport.Hello{
		MinVersion: 1, MaxVersion: 1, Name: "hostile", Limits: transport.Limits{MaxMessage: 1 << 20, StreamCredit: 1 << 20}})})
}

// rangeRequest asks for a whole topic.
func rangeRequest(stream uint64) []byte {
	body := append([]byte{3, 'b', 'i', 'g', 0, 0, 0}, binary.AppendVarint(nil, 0)...)
	return transport.AppendFrame(nil, transport.Frame{Kind: transport.KindRequest, Method: 7, Stream: stream, Payload: transport.AppendRequest(nil, time.Minute, body)})
}

// resident returns the memory of a process that is not a file's, in bytes.
func resident(t testing.TB, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// TestHostileClients: whatever clients send, or do not, others are served, and
// the node's memory stays within what its limits allow. The node runs in a process
// of its own, whose memory is looked at.
func TestHostileClients(t *testing.T) {
	w := newWorld(t)
	s := w.spawn(w.options())
	for range 100 {
		recs := make([]pipeproc.Record, 100)
		for i := range recs {
			recs[i] = pipeproc.Record{Topic: "big", Body: make([]byte, 1000)}
		}
		if _, err := s.Commit(process.Soon(t), recs...); err != nil {
			t.Fatal(err)
		}
	}
	before := resident(t, s.Pid())
	sock := strings.TrimPrefix(w.options().Address, "unix://")
	var million []byte // requests of 10 MB each, without a reader
	million = append(million, hello()...)
	for i := range uint64(100_000) {
		million = append(million, rangeRequest(i+1)...)
	}
	huge := bytes.Clone(hello())
	huge = append(huge, bytes.Repeat([]byte{0xff}, 64)...)
	half := rangeRequest(1)
	half = append(hello(), half[:len(half)-3]...)
	kinds := map[string][]byte{
		"garbage": []byte(strings.Repeat("GET / HTTP/1.1\r\n", 100)), "half a frame": half, "huge length": huge,
		"no reader": million, "nothing": nil, "hello only": hello(), "zeros": make([]byte, 1<<20),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var hostile sync.WaitGroup
	for _, send := range kinds {
		for range 8 {
			hostile.Go(func() {
				c, err := net.Dial("unix", sock)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				for range 10 { // the same again, as far as the node takes it
					if _, err := c.Write(send); err != nil || send == nil {
						break
					}
				}
				<-ctx.Done()
			})
		}
	}
	most := before
	for i := range 200 {
		commit(t, s, "mine", fmt.Sprint(i))
		most = max(most, resident(t, s.Pid()))
	}
	if got := bodies(t, s, "mine"); len(got) != 200 {
		t.Errorf("%d records", len(got))
	}
	if n, err := s.Length(process.Soon(t), "big"); err != nil || n != 10_000 {
		t.Error(n, err)
	}
	const bound = 8 * 64 << 20                // of the eight that do not read; see DESIGN.md, "Limits"
	if most-before > bound && !process.Race { // which takes many times the memory
		t.Errorf("the node's memory grew from %d to %d MiB", before>>20, most>>20)
	}
	t.Logf("memory: %d MiB before, %d at most", before>>20, most>>20)
	cancel()
	hostile.Wait()
}
