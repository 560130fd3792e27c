package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
)

// small makes a log of several small files in which each frame was synced
// before the next was appended, and closes it.
func small(t testing.TB, frames int) (*vfs.Mem, []Frame) {
	t.Helper()
	fs := vfs.NewMem()
	cfg := config(fs, false)
	cfg.FileSize = 8192
	l := create(t, cfg)
	var want []Frame
	for i := range frames {
		part := strings.Repeat(string(rune('a'+i)), 900)
		want = append(want, frame(fmt.Sprint("frame", i), "x", part))
		appendAll(t, l, want[i])
		must(t, l.Sync())
	}
	must(t, l.Close(0))
	return fs, want
}

// A write that stopped anywhere within the last frame leaves the frames before.
func TestTornAtEveryByte(t *testing.T) {
	fs, want := small(t, 2)
	whole := content(t, fs, 1)
	_, res := readAll(t, replayConfig(fs))
	last := &want[1]
	from := res.Tail.End - last.size()
	end := from + int64(last.top()+len("x")+900) // what follows is padding
	for cut := from; cut <= end; cut++ {
		for _, fill := range []byte{0, 0xa5} {
			b := bytes.Clone(whole)
			for i := cut; i < end; i++ {
				b[i] = fill
			}
			setContent(t, fs, 1, b)
			got, res := readAll(t, replayConfig(fs))
			n := 1
			if bytes.Equal(b, whole) {
				n = 2
			}
			checkPrefix(t, got[:min(n, len(got))], want, n)
			if len(got) != n || res.Damage != nil || res.Tail.End != from+int64(n-1)*last.size() {
				t.Fatalf("cut at %d: %d frames, %+v", cut, len(got), res)
			}
			// Whatever there is of the tag, something else than a clean end is
			// only reported where there is something.
			if torn := n == 1 && cut >= from+4; torn != (len(res.Cut) == 1) {
				t.Fatalf("cut at %d: %+v", cut, res.Cut)
			}
		}
	}
	// That the file itself is shorter cannot be: it had its size before it was used.
	for size := int64(headerSize); size < end; size++ {
		setContent(t, fs, 1, whole[:size])
		got, res := readAll(t, replayConfig(fs))
		checkPrefix(t, got, want, 0)
		if res.Damage == nil || len(got) > 1 {
			t.Fatalf("size %d: %+v", size, res)
		}
	}
}

// No flipped bit ever makes wrong data, and none loses a frame that a later one
// says was durable without being reported.
func TestEveryBitFlip(t *testing.T) {
	fs, want := small(t, 6)
	_, clean := readAll(t, replayConfig(fs))
	if len(clean.Files) != 2 {
		t.Fatalf("%+v", clean)
	}
	for _, number := range clean.Files {
		whole := content(t, fs, number)
		b := bytes.Clone(whole)
		for i := range b {
			if testing.Short() && i%7 != 0 {
				continue
			}
			for bit := range 8 {
				b[i] ^= 1 << bit
				setContent(t, fs, number, b)
				got, res := readAll(t, replayConfig(fs))
				checkPrefix(t, got, want, 0)
				if len(got) < len(want)-1 && res.Damage == nil {
					t.Fatalf("file %d, byte %d, bit %d: %d frames and no damage", number, i, bit, len(got))
				}
				if res.Damage != nil {
					checkDamage(t, res)
				}
				b[i] ^= 1 << bit
			}
		}
		setContent(t, fs, number, whole)
	}
}

func checkDamage(t *testing.T, res Result) {
	t.Helper()
	var c *CorruptError
	if err := error(res.Damage); !errors.Is(err, ErrCorrupt) || !errors.As(err, &c) || c.What == "" {
		t.Fatalf("%#v", res.Damage)
	}
	last := uint64(0)
	for _, n := range res.Files {
		last = n
	}
	for _, n := range res.Void {
		if n > last {
			t.Fatalf("file %d, beyond damage, is called void", n)
		}
	}
}

// A page that reads as zeroes is the harder case: nothing shows that a frame
// was there but what comes later.
func TestZeroedPages(t *testing.T) {
	fs, want := small(t, 14)
	_, clean := readAll(t, replayConfig(fs))
	for _, number := range clean.Files {
		whole := content(t, fs, number)
		for off := 0; off < len(whole); off += 512 {
			b := bytes.Clone(whole)
			clear(b[off : off+512]) // at most two frames
			setContent(t, fs, number, b)
			got, res := readAll(t, replayConfig(fs))
			checkPrefix(t, got, want, 0)
			if len(got) < len(want)-2 && res.Damage == nil {
				t.Fatalf("file %d, sector at %d: %d frames and no damage", number, off, len(got))
			}
		}
		setContent(t, fs, number, whole)
	}
}

// Without a sync nothing is promised, and a hole cuts all that follows, in
// later files too.
func TestHoleWithoutSync(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		cfg := config(fs, mapped)
		l := create(t, cfg)
		var want []Frame
		for i := range uint64(12) {
			want = append(want, sized(i, 4<<10))
		}
		appendAll(t, l, want...)
		must(t, l.Close(0))
		b := content(t, fs, 2)
		clear(b[headerSize+4<<10 : headerSize+8<<10])
		setContent(t, fs, 2, b)
		got, res := readAll(t, replayConfig(fs))
		checkPrefix(t, got, want, 4)
		if len(got) != 4 || res.Damage != nil || len(res.Cut) != 3 || len(res.Files) != 2 || len(res.Void) != 2 {
			t.Fatalf("%d frames, %+v", len(got), res)
		}
		if c := res.Cut[0]; c.Number != 2 || c.From != 8<<10 || c.To != 16<<10 {
			t.Errorf("%+v", c)
		}
		if c := res.Cut[2]; c.Number != 4 || c.From != headerSize || c.To != 16<<10 {
			t.Errorf("%+v", c)
		}
		// The next life recycles the void files, and they do not come back.
		cfg.Epoch++
		l = reopen(t, cfg, res)
		appendAll(t, l, frame("next"))
		must(t, l.Sync())
		got, res = readAll(t, replayConfig(fs))
		checkPrefix(t, got, append(want[:4:4], frame("next")), 5)
		if res.Damage != nil || len(res.Cut) != 0 {
			t.Errorf("%+v", res)
		}
		// But once a later life builds on it, a loss is damage, synced or not.
		b = content(t, fs, 1)
		clear(b[8<<10:])
		setContent(t, fs, 1, b)
		if _, res = readAll(t, replayConfig(fs)); res.Damage == nil {
			t.Errorf("%+v", res)
		}
	})
}

func TestMissingFiles(t *testing.T) {
	fs, want := small(t, 14) // files 1 to 4 or more
	remove := func(n uint64) []byte {
		b := content(t, fs, n)
		must(t, fs.Remove(testDir+"/"+fileName(n)))
		return b
	}
	cfg := replayConfig(fs)
	for _, allow := range []bool{false, true} {
		cfg.AllowMissing = allow
		b := remove(1)
		if got, res := readAll(t, cfg); len(got) != 0 || res.Damage == nil {
			t.Errorf("first missing: %+v", res)
		}
		setContent(t, fs, 1, b)
		b = remove(2)
		if got, res := readAll(t, cfg); len(got) != 4 || res.Damage == nil {
			t.Errorf("second missing: %d frames, %+v", len(got), res)
		} else {
			checkPrefix(t, got, want, 4)
		}
		setContent(t, fs, 2, b)
		cfg.Position++
		if _, res := readAll(t, cfg); res.Damage == nil {
			t.Errorf("wrong position: %+v", res)
		}
		cfg.Position--
	}

	cfg.AllowMissing = false
	cfg.Dir = "nowhere"
	if _, res := readAll(t, cfg); res.Damage == nil {
		t.Errorf("no directory: %+v", res)
	}
	cfg.AllowMissing = true
	if _, res := readAll(t, cfg); res.Damage != nil || res.Position != 1 || res.Highest != 0 || res.Tail != (Tail{}) {
		t.Errorf("no directory, allowed: %+v", res)
	}
}

// A log whose very first file never got its header starts over.
func TestFirstFileVoid(t *testing.T) {
	fs := vfs.NewMem()
	must(t, fs.MkdirAll(testDir))
	setContent(t, fs, 1, make([]byte, 16<<10))
	cfg := replayConfig(fs)
	if _, res := readAll(t, cfg); res.Damage == nil {
		t.Errorf("%+v", res)
	}
	cfg.AllowMissing = true
	_, res := readAll(t, cfg)
	if res.Damage != nil || len(res.Void) != 1 || res.Highest != 1 {
		t.Fatalf("%+v", res)
	}
	l := reopen(t, config(fs, false), res)
	appendAll(t, l, frame("a"))
	got, res := readAll(t, cfg)
	checkPrefix(t, got, []Frame{frame("a")}, 1)
	if res.Damage != nil || res.Tail.Number != 2 {
		t.Errorf("%+v", res)
	}
}

func TestNewerVersion(t *testing.T) {
	fs, _ := small(t, 14)
	b := content(t, fs, 2)
	le.PutUint16(b[8:], 2)
	le.PutUint64(b[headerSize-8:], xxhash.Sum64(b[:headerSize-8]))
	setContent(t, fs, 2, b)
	cfg := replayConfig(fs)
	if _, err := Replay(cfg, nil); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	if err := Dump(io.Discard, bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	// It does not matter before the start.
	h, _, err := parseHeader(content(t, fs, 3))
	must(t, err)
	cfg.Number, cfg.Position = 3, h.first
	if _, err := Replay(cfg, nil); err != nil {
		t.Error(err)
	}
}

func TestReplayErrors(t *testing.T) {
	fs, _ := small(t, 6)
	stop := errors.New("enough")
	cfg := replayConfig(fs)
	res, err := Replay(cfg, func(e *Entry) error {
		if e.Position == 3 {
			return stop
		}
		return nil
	})
	if err != stop || res.Position != 3 {
		t.Error(res, err)
	}
	// A failing disk is an error, and nothing else, except that of the mark, which is
	// less knowledge.
	for n := int64(1); ; n++ {
		failed := false
		cfg.FS = vfs.NewFault(fs, func(op vfs.Op) error {
			if op.N == n && op.Kind != vfs.OpClose {
				failed = !strings.HasSuffix(op.Name, MarkName)
				return stop
			}
			return nil
		})
		res, err := Replay(cfg, nil)
		if failed != errors.Is(err, stop) || res.Damage != nil {
			t.Errorf("operation %d: %+v, %v", n, res, err)
		}
		if n > 100 {
			t.Fatal("endless")
		}
		if cfg.FS.(*vfs.Fault).Count() < n {
			break
		}
	}
}

func TestCheck(t *testing.T) {
	fs, _ := small(t, 6)
	check := func() (found []string) {
		must(t, Check(replayConfig(fs), func(c *CorruptError) { found = append(found, c.File+": "+c.What) }))
		return found
	}
	if got := check(); got != nil {
		t.Error(got)
	}
	b := content(t, fs, 2)
	b[100] ^= 1
	setContent(t, fs, 2, b)
	if got := check(); len(got) != 2 { // frame 4 is durable, says the last, and the header is bad
		t.Error(got)
	}
	clear(b[headerSize+1000:]) // no proof is left
	setContent(t, fs, 2, b)
	if got := check(); len(got) != 1 || !strings.Contains(got[0], fileName(2)) {
		t.Error(got)
	}
}

func TestDump(t *testing.T) {
	fs, _ := small(t, 5)
	var out strings.Builder
	b := content(t, fs, 2)
	must(t, Dump(&out, bytes.NewReader(b), int64(len(b))))
	for _, want := range []string{
		"file 2 (wal-0000000000000002.log)", "epoch 1",
		"first position 5", "follows file 1, which ends at",
		"4096  position 5, durable 4, 1000 bytes, meta 6, parts 2, sums ok",
		"5096  end: 1 frames, 0 damaged; then nothing, and 0 frame headers further on",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	b[headerSize+500] ^= 1
	must(t, Dump(&out, bytes.NewReader(b), int64(len(b))))
	if !strings.Contains(out.String(), "sums BAD: sum of a part does not match") {
		t.Error(out.String())
	}
	for size := range 4200 {
		if err := Dump(io.Discard, bytes.NewReader(b[:size]), int64(size)); err != nil {
			t.Fatal(size, err)
		}
	}
	out.Reset()
	must(t, Dump(&out, bytes.NewReader(make([]byte, 8192)), 8192))
	if out.String() != "void: no header\n" {
		t.Error(out.String())
	}
}

// Whatever is in the files, reading them ends, and stays within bounds.
func FuzzReplay(f *testing.F) {
	fs, _ := small(f, 5)
	f.Add(content(f, fs, 1)[:6000], content(f, fs, 2)[:6000])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fs := vfs.NewMem()
		must(t, fs.MkdirAll(testDir))
		for i, b := range [][]byte{a, b} {
			if len(b) >= headerSize { // a plausible header, so that frames are reached
				le.PutUint64(b[headerSize-8:], xxhash.Sum64(b[:headerSize-8]))
			}
			setContent(t, fs, uint64(i)+1, b)
			_ = Dump(io.Discard, bytes.NewReader(b), int64(len(b)))
		}
		res, err := Replay(replayConfig(fs), func(*Entry) error { return nil })
		if err != nil && !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
		if res.Tail.End > int64(max(len(a), len(b))) {
			t.Fatalf("%+v", res)
		}
	})
}
