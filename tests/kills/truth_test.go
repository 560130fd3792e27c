package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// truth is what a store must hold.
type truth struct {
	topics map[string]*truthTopic
	// order lists the commits: the topics and first sequences of each.
	commits []truthCommit
}

type truthTopic struct {
	first uint64
	recs  []pipeproc.Record
}

type truthCommit struct {
	recs []pipeproc.Record
}

func newTruth() *truth { return &truth{topics: map[string]*truthTopic{}} }

// commit commits the records and notes them.
func (tr *truth) commit(n *pipeproc.Node, recs ...pipeproc.Record) error {
	ids, err := n.Commit(context.Background(), recs...)
	if err != nil {
		return err
	}
	for i := range recs {
		recs[i].ID = ids[i]
		t := tr.topics[recs[i].Topic]
		if t == nil {
			t = &truthTopic{}
			tr.topics[recs[i].Topic] = t
		}
		t.recs = append(t.recs, recs[i])
	}
	tr.commits = append(tr.commits, truthCommit{recs: recs})
	return nil
}

func equalRecord(a, b *pipeproc.Record) bool {
	return a.ID == b.ID && a.Topic == b.Topic && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Body, b.Body) &&
		slices.EqualFunc(a.Headers, b.Headers, func(x, y pipeproc.Header) bool { return x.Name == y.Name && bytes.Equal(x.Value, y.Value) })
}

// reading is what reading a store gave.
type reading struct {
	missing int     // records of the truth that did not come
	errs    []error // what was said about it
	wrong   error   // something came that is not the truth
	got     map[string][]bool
}

// said reports whether the reader was told that something is wrong.
func (r *reading) said(n *pipeproc.Node) bool {
	return len(r.errs) > 0 || len(n.Recovery().Damage) > 0 || len(n.Recovery().Cut) > 0
}

// read reads everything and compares it with the truth.
func (tr *truth) read(n *pipeproc.Node, deep bool) *reading {
	r := &reading{got: map[string][]bool{}}
	ctx := context.Background()
	infos, err := n.Topics(ctx)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	for _, i := range infos {
		if tr.topics[i.Name] == nil && i.Name != "mine" { // a name for tests to use
			r.wrong = fmt.Errorf("there is a topic %q", i.Name)
		}
	}
	for name, t := range tr.topics {
		tr.readTopic(n, name, t, r)
		if deep {
			tr.readMore(n, name, t, r)
		}
	}
	return r
}

func (tr *truth) readTopic(n *pipeproc.Node, name string, t *truthTopic, r *reading) {
	ctx := context.Background()
	got := make([]bool, len(t.recs))
	r.got[name] = got
	last, steps := -1, 0
	var rec pipeproc.Record
	c, err := n.Cursor(ctx, name, pipeproc.RangeOptions{})
	if err != nil {
		r.errs = append(r.errs, err)
		r.missing += len(t.recs) - int(t.first)
		return
	}
	defer c.Close()
	for {
		for c.Next() {
			rec = pipeproc.Record{ID: c.ID(), Topic: name, Key: c.Key(), Body: c.Body()}
			for h, v := range c.Headers() {
				rec.Headers = append(rec.Headers, pipeproc.Header{Name: h, Value: v})
			}
			seq := int(rec.ID.Seq)
			if seq <= last || seq < int(t.first) || seq >= len(t.recs) || !equalRecord(&rec, &t.recs[seq]) {
				r.wrong = fmt.Errorf("topic %s: record %v after sequence %d is not what was written", name, rec.ID, last)
				return
			}
			last = seq
			got[seq] = true
		}
		if c.Err() == nil {
			break
		}
		r.errs = append(r.errs, c.Err())
		if steps++; steps > 2*len(t.recs)+100 {
			r.wrong = fmt.Errorf("topic %s: reading does not end: %w", name, c.Err())
			return
		}
		if !c.Resume() {
			break
		}
	}
	for seq := int(t.first); seq < len(got); seq++ {
		if !got[seq] {
			r.missing++
		}
	}
	info, err := n.Topic(ctx, name)
	if err != nil {
		r.errs = append(r.errs, err)
	} else if info.First != t.first || info.Next != uint64(len(t.recs)) {
		r.missing++
	}
}

// readMore reads backwards, by sequence and by time.
func (tr *truth) readMore(n *pipeproc.Node, name string, t *truthTopic, r *reading) {
	ctx := context.Background()
	last, count := len(t.recs), 0
	for rec, err := range n.Range(ctx, name, pipeproc.RangeOptions{Reverse: true}) {
		if count++; count > 3*len(t.recs)+100 {
			r.wrong = fmt.Errorf("topic %s: reading backwards does not end: %w", name, err)
			return
		}
		if err != nil {
			r.errs = append(r.errs, err)
			continue
		}
		seq := int(rec.ID.Seq)
		if seq >= last || seq < int(t.first) || !equalRecord(&rec, &t.recs[seq]) {
			r.wrong = fmt.Errorf("topic %s: record %v read backwards after %d is not what was written", name, rec.ID, last)
			return
		}
		last = seq
	}
	for _, seq := range []uint64{t.first, (t.first + uint64(len(t.recs))) / 2, uint64(len(t.recs)) - 1} {
		rec, err := n.Get(ctx, name, seq)
		if err != nil {
			r.errs = append(r.errs, err)
		} else if !equalRecord(&rec, &t.recs[seq]) {
			r.wrong = fmt.Errorf("topic %s: get of %d is not what was written", name, seq)
		}
	}
	at := t.recs[(int(t.first)+len(t.recs))/2].ID.Millis
	moment := pipeproc.AtTime(time.UnixMilli(at))
	o := pipeproc.RangeOptions{Start: moment, End: moment}
	want := 0
	for _, rec := range t.recs[t.first:] {
		want += b2i(rec.ID.Millis == at)
	}
	for rec, err := range n.Range(ctx, name, o) {
		if err != nil {
			r.errs = append(r.errs, err)
		} else if want--; rec.ID.Millis != at || !equalRecord(&rec, &t.recs[rec.ID.Seq]) {
			r.wrong = fmt.Errorf("topic %s: record %v of time %d is not what was written", name, rec.ID, at)
		}
	}
	if want != 0 {
		r.missing++
	}
}

// stepClock returns a clock that moves a millisecond per call.
func stepClock() func() time.Time {
	ms := int64(1_700_000_000_000)
	return func() time.Time { ms++; return time.UnixMilli(ms) }
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// image is the content of all files of a directory tree.
type image map[string][]byte

// take reads all files below dir.
func take(fsys vfs.FS, dir string) (image, error) {
	im := image{}
	return im, im.take(fsys, dir, "")
}

func (im image) take(fsys vfs.FS, dir, rel string) error {
	infos, err := fsys.ReadDir(dir + "/" + rel)
	if err != nil {
		return err
	}
	for _, i := range infos {
		name := i.Name
		if rel != "" {
			name = rel + "/" + i.Name
		}
		if i.Dir {
			if err := im.take(fsys, dir, name); err != nil {
				return err
			}
			continue
		}
		f, err := fsys.Open(dir+"/"+name, vfs.Read)
		if err != nil {
			return err
		}
		b := make([]byte, i.Size)
		_, err = f.ReadAt(b, 0)
		if err := errors.Join(err, f.Close()); err != nil && i.Size > 0 {
			return err
		}
		im[name] = b
	}
	return nil
}

// put makes the files in a new file system in memory.
func (im image) put(dir string) (*vfs.Mem, error) {
	m := vfs.NewMem()
	return m, im.into(m, dir)
}

// into makes the files in dir.
func (im image) into(m vfs.FS, dir string) error {
	for _, d := range []string{"", "/wal", "/segments"} {
		if err := m.MkdirAll(dir + d); err != nil {
			return err
		}
	}
	for name, b := range im {
		f, err := m.Open(dir+"/"+name, vfs.Create)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
