package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// tally counts flips of one kind of bytes.
type tally struct {
	flips, opened, readSaid, verifySaid, quiet int
}

type flipper struct {
	t     *testing.T
	l     *layout
	truth *truth

	mu    sync.Mutex
	kinds map[string]*tally
	fails int
}

type flip struct {
	name string
	off  int64
	mask byte
}

// Every byte of every file of a small, cleanly closed store is flipped in turn.
// What is read is right or missing with an error, and Verify finds every flip
// of a byte that counts.
func TestFlipClosed(t *testing.T) {
	t.Logf("seed %d", *seed)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // every open is garbage soon
	rnd := rand.New(rand.NewPCG(*seed, 1))
	m := vfs.NewMem()
	n, err := pipeproc.Open(flipDir, flipOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := fillStore(n, rnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	im, err := take(m, flipDir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLayout(im, tr)
	if err != nil {
		t.Fatal(err)
	}
	f := &flipper{t: t, l: l, truth: tr, kinds: map[string]*tally{}}
	work := f.list(rnd)
	var wg sync.WaitGroup
	next := make(chan []flip)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { f.worker(next) })
	}
	for chunk := range slices.Chunk(work, 256) {
		next <- chunk
	}
	close(next)
	wg.Wait()
	f.print()
}

// list chooses the bytes to flip.
func (f *flipper) list(rnd *rand.Rand) (work []flip) {
	for name, b := range f.l.im {
		for off := int64(0); off < int64(len(b)); off += f.l.stride(name, off) {
			work = append(work, flip{name, off, byte(1 + rnd.IntN(255))})
		}
	}
	rnd.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	return work
}

// worker flips bytes in a store of its own, opened for reading only, which must
// leave it as it is; every eighth flip is tried with a writing open too.
func (f *flipper) worker(next <-chan []flip) {
	m, err := f.l.im.put(flipDir)
	if err != nil {
		f.fail(flip{}, err)
		return
	}
	for chunk := range next {
		for _, fl := range chunk {
			if err := f.readOnly(m, fl); err != nil {
				f.fail(fl, err)
			}
			if fl.off%8 == int64(fl.mask)%8 {
				if err := f.writing(fl); err != nil {
					f.fail(fl, fmt.Errorf("opened for writing: %w", err))
				}
			}
		}
	}
	now, err := take(m, flipDir)
	if err != nil {
		f.fail(flip{}, err)
	}
	for name, b := range f.l.im {
		if !bytes.Equal(now[name], b) && name != "LOCK" {
			f.fail(flip{name: name}, errors.New("opening for reading only has changed the file"))
		}
	}
}

func (f *flipper) fail(fl flip, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind, _ := f.l.kind(fl.name, fl.off)
	if f.fails++; f.fails <= 40 {
		f.t.Errorf("flip of %s at %d with %#02x (%s): %v", fl.name, fl.off, fl.mask, kind, err)
	}
}

// toggle flips a byte in place.
func toggle(m *vfs.Mem, fl flip) error {
	h, err := m.Open(flipDir+"/"+fl.name, vfs.Write)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err := h.ReadAt(b[:], fl.off); err != nil {
		return err
	}
	b[0] ^= fl.mask
	if _, err := h.WriteAt(b[:], fl.off); err != nil {
		return err
	}
	return h.Close()
}

func (f *flipper) readOnly(m *vfs.Mem, fl flip) (err error) {
	if err := toggle(m, fl); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, toggle(m, fl)) }()
	kind, counts := f.l.kind(fl.name, fl.off)
	var one tally
	one.flips = 1
	defer func() { f.count(kind, one) }()

	o := flipOptions(m)
	o.ReadOnly = true
	said := false
	n, err := pipeproc.Open(flipDir, o)
	if err != nil {
		if err := oneLine(err); err != nil {
			return err
		}
		said = true
	} else {
		one.opened = 1
		r := f.truth.read(n, fl.off%16 == 0)
		said = r.said(n)
		cerr := n.Close()
		switch {
		case r.wrong != nil:
			return fmt.Errorf("WRONG: %w", r.wrong)
		case r.missing > 0 && !said:
			return fmt.Errorf("SILENT: %d records missing without an error", r.missing)
		case cerr != nil:
			return cerr
		}
		if err := oneLine(r.errs...); err != nil {
			return err
		}
	}
	if said {
		one.readSaid = 1
		if !counts {
			return errors.New("a byte that nobody reads caused an error")
		}
	}
	if said && fl.off%4 != 0 { // Verify costs more than all the rest
		return nil
	}
	rep, err := pipeproc.Verify(context.Background(), flipDir, &pipeproc.VerifyOptions{FS: m})
	switch {
	case err != nil && !said:
		return fmt.Errorf("verify could not run: %w", err)
	case err != nil || len(rep.Damage) > 0:
		one.verifySaid = 1
		if !counts {
			return fmt.Errorf("verify reports a byte that nobody reads: %v", rep.Damage)
		}
	case counts:
		return fmt.Errorf("verify finds nothing (reading said something: %v)", said)
	default:
		one.quiet = 1
	}
	return nil
}

// writing opens a copy for writing, twice: opening must not turn damage into valid
// data.
func (f *flipper) writing(fl flip) error {
	im := image{}
	for name, b := range f.l.im {
		im[name] = b
	}
	b := bytes.Clone(im[fl.name])
	b[fl.off] ^= fl.mask
	im[fl.name] = b
	m, err := im.put(flipDir)
	if err != nil {
		return err
	}
	for range 2 {
		n, err := pipeproc.Open(flipDir, flipOptions(m))
		if err != nil {
			return oneLine(err)
		}
		r := f.truth.read(n, false)
		said := r.said(n)
		cerr := n.Close()
		switch {
		case r.wrong != nil:
			return fmt.Errorf("WRONG: %w", r.wrong)
		case r.missing > 0 && !said:
			return fmt.Errorf("SILENT: %d records missing without an error", r.missing)
		case cerr != nil:
			return cerr
		}
	}
	return nil
}

// oneLine returns an error about the first of errs that takes several lines.
func oneLine(errs ...error) error {
	for _, err := range errs {
		if err != nil && strings.Contains(err.Error(), "\n") {
			return fmt.Errorf("the error has several lines: %q", err.Error())
		}
	}
	return nil
}

func (f *flipper) count(kind string, one tally) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.kinds[kind]
	if k == nil {
		k = &tally{}
		f.kinds[kind] = k
	}
	k.flips += one.flips
	k.opened += one.opened
	k.readSaid += one.readSaid
	k.verifySaid += one.verifySaid
	k.quiet += one.quiet
}

func (f *flipper) print() {
	var names []string
	var sum tally
	for name := range f.kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Printf("flips of single bytes, seed %d, %d failures:\n", *seed, f.fails)
	fmt.Printf("  %-38s %8s %8s %8s %8s %8s\n", "kind of bytes", "flips", "opened", "reads", "verify", "harmless")
	for _, name := range names {
		k := f.kinds[name]
		fmt.Printf("  %-38s %8d %8d %8d %8d %8d\n", name, k.flips, k.opened, k.readSaid, k.verifySaid, k.quiet)
		sum.flips += k.flips
	}
	fmt.Printf("  %-38s %8d\n", "all", sum.flips)
}
