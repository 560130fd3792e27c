package pipeproc

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// A Codec turns values of T into the bodies of records and back. [JSON] is one; any
// other encoding is a few lines. Its methods are called by several goroutines at once.
type Codec[T any] interface {
	// Append appends the encoding of v to dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode decodes a body. The value must not refer to body, which may change later.
	Decode(body []byte) (T, error)
}

// JSON returns the codec that stores values as encoding/json does.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func (jsonCodec[T]) Decode(body []byte) (v T, err error) { return v, json.Unmarshal(body, &v) }

// CommitValues commits values to a topic, as one batch, and returns their ids. To
// commit values to several topics at once, or with keys, encode them into a Batch
// with AddValue.
func CommitValues[T any](ctx context.Context, s Committer, c Codec[T], topic string, values ...T) ([]ID, error) {
	var b Batch
	for _, v := range values {
		if err := AddValue(&b, c, topic, nil, v); err != nil {
			return nil, err
		}
	}
	if err := s.CommitBatch(ctx, &b); err != nil {
		return nil, err
	}
	return b.IDs(), nil
}

// AddValue adds a record with the value as its body to a batch. The key may be nil. After
// an error, the codec's or a bad topic name, the commit of the batch fails with it, too.
func AddValue[T any](b *Batch, c Codec[T], topic string, key []byte, v T) error {
	body, err := c.Append(nil, v)
	if err != nil {
		return b.b.Fail(fmt.Errorf("a value for topic %q cannot be encoded: %w", topic, err))
	}
	return b.AddRecord(&Record{Topic: topic, Key: key, Body: body})
}

// Value is a record and what was decoded from its body: v.ID, v.Key and v.Body are the
// record's, v.Value is the value.
type Value[T any] struct {
	Record
	Value T
}

// Values iterates over a range as Reader.Range does and decodes each body. A body
// that cannot be decoded is yielded as an error together with its record; the
// iteration continues after it if the loop does.
func Values[T any](ctx context.Context, r Reader, c Codec[T], topic string, o RangeOptions) iter.Seq2[Value[T], error] {
	return func(yield func(Value[T], error) bool) {
		for rec, err := range r.Range(ctx, topic, o) {
			v := Value[T]{Record: rec}
			if err == nil {
				v.Value, err = decode(c, &rec)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// EachValue makes a Processor of a function from a value to values: each record of a
// claim is decoded, and what fn returns is encoded and committed to the system proc's
// To topics, under the key of the record that it came from, together with the
// acknowledgement. A body that cannot be decoded, and an error of fn, fail the claim. For
// other keys, or headers, use Each with Codec.Decode, Codec.Append and Work.EmitRecord.
func EachValue[In, Out any](in Codec[In], out Codec[Out], fn func(ctx context.Context, v Value[In]) ([]Out, error)) Processor {
	return Each(func(ctx context.Context, rec Record, w *Work) error {
		v, err := decode(in, &rec)
		if err != nil {
			return err
		}
		list, err := fn(ctx, Value[In]{rec, v})
		if err != nil {
			return err
		}
		for _, o := range list {
			body, err := out.Append(nil, o)
			if err != nil {
				return fmt.Errorf("what came of record %v cannot be encoded: %w", rec.ID, err)
			}
			w.EmitRecord(Record{Key: rec.Key, Body: body})
		}
		return nil
	})
}

func decode[T any](c Codec[T], rec *Record) (T, error) {
	v, err := c.Decode(rec.Body)
	if err != nil {
		err = fmt.Errorf("record %v of topic %q cannot be decoded: %w", rec.ID, rec.Topic, err)
	}
	return v, err
}
