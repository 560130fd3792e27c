package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// fsStore is the store of a fsChild. Its state is what was acknowledged: the records
// [first,next) of topic t, and small ones of topic u, -1 if that does not exist.
type fsStore struct {
	n           *pipeproc.Node
	o           pipeproc.Options
	mount       string
	first, next uint64
	small       int64
	ballast     int
}

// fsChild opens the store on a file system, for reading and then for writing, checks it
// both times, does the steps and waits to be
// killed. It says what is acknowledged after each step.
func fsChild(args []string) error {
	s := &fsStore{mount: args[0], small: -1, ballast: os.Getpid()}
	s.o = pipeproc.Options{Sync: process.Mode(args[1]), WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}}
	if args[2] != "" {
		if _, err := fmt.Sscan(args[2], &s.first, &s.next, &s.small); err != nil {
			return err
		}
	}
	steps := args[3:]
	if s.next > 0 {
		if err := s.look(); err != nil {
			return fmt.Errorf("read-only: %w", err)
		}
	}
	err := s.open()
	if errors.Is(err, pipeproc.ErrNoSpace) { // then there must be room first
		fmt.Println("open:", err)
		if steps, err = s.openWithRoom(steps, err); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	for _, step := range steps {
		if err := s.step(step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		fmt.Println("state", s.first, s.next, s.small)
	}
	fmt.Println("done")
	_, err = io.Copy(io.Discard, os.Stdin) // until it is killed
	return err
}

func (s *fsStore) open() error {
	n, err := pipeproc.Open(filepath.Join(s.mount, "data"), &s.o)
	if err != nil {
		return err
	}
	s.n = n
	return s.check()
}

// look opens the store for reading and checks all of it.
func (s *fsStore) look() error {
	s.o.ReadOnly = true
	defer func() { s.o.ReadOnly = false }()
	if err := s.open(); err != nil {
		return err
	}
	rep, err := s.n.Verify(context.Background(), nil)
	if err == nil && len(rep.Damage) > 0 {
		err = fmt.Errorf("verify: %v", rep.Damage)
	}
	return errors.Join(err, s.n.Close())
}

// openWithRoom leaves out the steps up to the one that makes room, which need the
// store, and opens it then.
func (s *fsStore) openWithRoom(steps []string, full error) ([]string, error) {
	if err := wantFull(full); err != nil {
		return nil, err
	}
	for len(steps) > 0 && steps[0] != "room" {
		steps = steps[1:]
	}
	if len(steps) == 0 {
		return nil, nil
	}
	if err := s.room(); err != nil {
		return nil, err
	}
	return steps[1:], s.open()
}

func (s *fsStore) step(step string) error {
	ctx := context.Background()
	what, arg, _ := strings.Cut(step, ":")
	switch what {
	case "commit":
		count, err := strconv.Atoi(arg)
		for ; err == nil && count > 0; count-- {
			err = s.commit(1000)
		}
		return err
	case "try": // it may work or not
		return s.mayBeFull(s.commit(1000))
	case "try-checkpoint":
		return s.mayBeFull(s.n.Checkpoint(ctx))
	case "fill":
		return s.fill()
	case "others":
		return s.others()
	case "room":
		return s.room()
	case "prune":
		to := s.next - min(s.next, 10)
		if err := s.n.Prune(ctx, "t", to); err != nil {
			return err
		}
		s.first = max(s.first, to)
		return nil
	case "delete":
		if s.small < 0 {
			return nil
		}
		s.small = -1
		return s.n.DeleteTopic(ctx, "u")
	case "checkpoint":
		return s.n.Checkpoint(ctx)
	case "close":
		return s.n.Close()
	}
	return errors.New("no such step")
}

// mayBeFull takes an error that says so, and after which the node goes on.
func (s *fsStore) mayBeFull(err error) error {
	if err == nil {
		return nil
	}
	fmt.Println(err)
	return errors.Join(wantFull(err), s.n.Err())
}

// fsBody is the body of record seq of topic t.
func fsBody(seq uint64, size int) []byte {
	return bytes.Repeat([]byte{byte(seq), byte(seq >> 8)}, size/2)
}

// commit commits a record of about size bytes to t and a small one to u.
func (s *fsStore) commit(size int) error {
	_, err := s.n.Commit(context.Background(), pipeproc.Record{Topic: "t", Body: fsBody(s.next, size)}, pipeproc.Record{Topic: "u", Body: []byte("small")})
	if err == nil {
		s.next++
		s.small = max(s.small, 0) + 1
	}
	return err
}

// fill commits until there is no room for a record of some size.
func (s *fsStore) fill() error {
	for size := 20000; size >= 2000; {
		err := s.commit(size)
		if err == nil {
			continue
		}
		if err := errors.Join(wantFull(err), s.n.Err()); err != nil {
			return err
		}
		size /= 3
	}
	return nil
}

// wantFull checks that err says that the disk is full and what can be done.
func wantFull(err error) error {
	switch {
	case !errors.Is(err, pipeproc.ErrNoSpace) || pipeproc.Code(err) != "no_space":
		return fmt.Errorf("this is not no_space: %w", err)
	case !strings.Contains(err.Error(), "make room on the disk"), !strings.Contains(err.Error(), "no space left"):
		return fmt.Errorf("it does not say what to do: %w", err)
	}
	return oneLine(err)
}

// others takes all the room that is left.
func (s *fsStore) others() error {
	s.ballast++
	f, err := os.Create(filepath.Join(s.mount, fmt.Sprintf("ballast-%d", s.ballast)))
	if err != nil {
		return nil // not even a name
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; size /= 8 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	_ = f.Sync()
	return nil
}

// room removes what others have taken.
func (s *fsStore) room() error {
	names, err := filepath.Glob(filepath.Join(s.mount, "ballast-*"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// check reads everything.
func (s *fsStore) check() error {
	ctx := context.Background()
	if d := s.n.Recovery().Damage; len(d) > 0 {
		return fmt.Errorf("damage: %v", d)
	}
	if s.next == 0 {
		return nil
	}
	next := s.first
	for r, err := range s.n.Range(ctx, "t", pipeproc.RangeOptions{}) {
		switch {
		case err != nil:
			return err
		case r.ID.Seq != next:
			return fmt.Errorf("record %d, want %d of [%d,%d)", r.ID.Seq, next, s.first, s.next)
		case !bytes.Equal(r.Body, fsBody(next, len(r.Body))):
			return fmt.Errorf("record %d is another", next)
		}
		next++
	}
	small := int64(-1)
	if n, err := s.n.Length(ctx, "u"); err == nil {
		small = int64(n)
	} else if !errors.Is(err, pipeproc.ErrInvalidTopic) {
		return err
	}
	if next != s.next || small != s.small {
		return fmt.Errorf("%d records from %d on, want %d; %d small ones, want %d", next-s.first, s.first, s.next-s.first, small, s.small)
	}
	return nil
}
