package pipeproc

import (
	"context"
	"errors"
	"fmt"
	"github.com/pipeproc/pipeproc/internal/owned"
	"io"
	"iter"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/vfs"
)

// VerifyOptions configure a verification. nil means the defaults.
type VerifyOptions struct {
	FS       vfs.FS               // default: the operating system's
	Progress func(VerifyProgress) // called after each file
}

// VerifyProgress says how far a verification has got.
type VerifyProgress struct {
	File              string // the file that was read last
	Files, FilesTotal int
	Bytes, BytesTotal int64
}

// VerifyReport is what a verification found. If Damage is empty, every byte that counts
// is what was written.
type VerifyReport struct {
	Files    int
	Bytes    int64
	Records  uint64 // records that can be read, according to the state
	Topics   int
	Damage   []*CorruptError
	Warnings []string // worth knowing, though nothing is lost
	Elapsed  time.Duration
}

func verifyReport(r *engine.VerifyReport) *VerifyReport {
	if r == nil {
		return nil
	}
	v := VerifyReport(*r)
	return &v
}

func progressFunc(fn func(VerifyProgress)) func(engine.VerifyProgress) {
	if fn == nil {
		return nil
	}
	return func(p engine.VerifyProgress) { fn(VerifyProgress(p)) }
}

// Verify reads and checks everything in the store in directory dir, which must not be in
// use. It changes nothing. Damage is in the report; the error says why Verify could not
// finish.
func Verify(ctx context.Context, dir string, o *VerifyOptions) (*VerifyReport, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if o == nil {
		o = &VerifyOptions{}
	}
	n, err := Open(dir, &Options{FS: o.FS, ReadOnly: true})
	if err != nil {
		if c, ok := errors.AsType[*CorruptError](err); ok {
			return &VerifyReport{Damage: []*CorruptError{c}}, nil
		}
		return nil, err
	}
	defer n.Close()
	return n.Verify(ctx, o)
}

// Verify reads and checks everything that the node has on disk, while the node continues
// to work. A topic in which damage is found refuses commits from then on.
func (n *Node) Verify(ctx context.Context, o *VerifyOptions) (*VerifyReport, error) {
	var progress func(VerifyProgress)
	if o != nil {
		progress = o.Progress
	}
	r, err := n.e.Verify(ctx, progressFunc(progress))
	return verifyReport(r), err
}

// BackupReport says what a backup holds.
type BackupReport struct {
	Files, Linked int
	Bytes         int64  // copied
	Position      uint64 // of the copy, in the order of commits
}

// Backup writes a complete copy of the store, at one position in the order of commits,
// to directory dest, which must be empty or not exist, and not be in the store itself.
// Commits continue meanwhile.
// Segments that will never change are hard links where the file system allows it. The
// copy opens like any store.
func (n *Node) Backup(ctx context.Context, dest string) (*BackupReport, error) {
	r, err := n.e.Backup(ctx, dest)
	if r == nil {
		return nil, err
	}
	b := BackupReport(*r)
	return &b, err
}

// Restore copies the store in src, for example a backup, to dest, which must be empty or
// not exist. It verifies src first and refuses a damaged one.
func Restore(ctx context.Context, src, dest string) error {
	c, err := (&Options{ReadOnly: true}).config(src)
	if err != nil {
		return err
	}
	return engine.Restore(ctx, c, dest)
}

// DumpOptions configure Dump. nil means the defaults.
type DumpOptions struct {
	Bodies bool   // show the bodies of records, too
	FS     vfs.FS // default: the operating system's
}

// Dump writes a file of a store (segment, write-ahead log, snapshot or STORE) as text for
// people. It shows damage and continues after it.
func Dump(w io.Writer, file string, o *DumpOptions) error {
	if o == nil {
		o = &DumpOptions{}
	}
	fsys := o.FS
	if fsys == nil {
		fsys = vfs.OS()
	}
	return engine.Dump(w, fsys, file, o.Bodies)
}

// ImportOptions configure Import. nil means the defaults.
type ImportOptions struct {
	// Force accepts ids that lie further in the future than Options.MaxFuture.
	// After that no new record of the topic will have an earlier time.
	Force bool
	// BatchRecords is the largest number of records in one commit. Default 1000.
	BatchRecords int
}

// Import appends records that already have ids to a topic without records, in batches,
// and returns how many it committed. Ids must rise in time and sequence; sequences may
// leave gaps. If another commit to the topic comes in between, the import fails with a
// *ConflictError.
func (n *Node) Import(ctx context.Context, topic string, recs iter.Seq2[Record, error], o *ImportOptions) (uint64, error) {
	if o == nil {
		o = &ImportOptions{}
	}
	size := o.BatchRecords
	if size <= 0 {
		size = 1000
	}
	if t, err := n.Topic(ctx, topic); err == nil && t.Next > 0 {
		return 0, errs.InvalidImport.With(fmt.Sprintf("topic %q has had records; an import needs a new topic", topic))
	} else if err != nil && !errors.Is(err, ErrInvalidTopic) {
		return 0, err
	}
	im := importer{n: n, topic: topic}
	im.b.b.Force(o.Force)
	for rec, err := range recs {
		if err == nil {
			err = im.add(ctx, &rec)
		}
		if err == nil && (im.b.Len() >= size || im.b.Size() >= 8<<20) {
			err = im.commit(ctx)
		}
		if err != nil {
			return im.done, err
		}
	}
	if im.b.Len() > 0 {
		if err := im.commit(ctx); err != nil {
			return im.done, err
		}
	}
	return im.done, nil
}

type importer struct {
	n     *Node
	topic string
	b     Batch
	next  uint64
	done  uint64
}

func (im *importer) add(ctx context.Context, rec *Record) error {
	im.b.headers = owned.AppendHeaders(im.b.headers[:0], rec.Headers)
	if im.b.Len() == 0 {
		if err := im.b.Expect(im.topic, im.next); err != nil {
			return err
		}
	}
	return im.b.b.AddWithID(im.topic, rec.ID, rec.Key, im.b.headers, rec.Body)
}

func (im *importer) commit(ctx context.Context) error {
	if err := im.n.CommitBatch(ctx, &im.b); err != nil {
		return err
	}
	ids := im.b.IDs()
	im.next = ids[len(ids)-1].Seq + 1
	im.done += uint64(len(ids))
	im.b.Reset()
	return nil
}
