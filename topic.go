package pipeproc

import (
	"context"
	"time"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// Compression is how the records of a topic are stored.
type Compression uint8

// Compressions.
const (
	NoCompression Compression = iota
	Zstd
)

// String returns "none" or "zstd".
func (c Compression) String() string { return segment.Codec(c).String() }

// TopicOptions are the settings of one topic, fixed when it is created.
type TopicOptions struct {
	// SegmentSize is the size in bytes at which a segment is sealed and the next one
	// begins: 64 KiB to 2 GiB. Disk space is freed by whole segments. Default 64 MiB,
	// or what Options.Topic says.
	SegmentSize int64
	// Compression is the codec of new records.
	Compression Compression
}

func (o TopicOptions) options() topics.Options {
	return topics.Options{SegmentSize: o.SegmentSize, Compression: segment.Codec(o.Compression)}
}

// TopicInfo describes a topic at one moment. Times are zero where there is none.
type TopicInfo struct {
	Name      string
	ID        uint64 // its number in the store, which names its files
	First     uint64 // first sequence that can be read; Next if there is none
	Next      uint64 // sequence that the next record will get
	Records   uint64 // records that can be read
	CreatedAt time.Time
	FirstTime time.Time // of the first record that can be read
	LastTime  time.Time // of the newest record, even if it has been pruned
	Bytes     int64     // encoded bytes of all records ever committed, uncompressed
	DiskBytes int64     // bytes that its segment files take
	Segments  int
	Options   TopicOptions
	Damaged   error // why it refuses commits, or nil
}

func topicInfo(t *topics.Topic) TopicInfo {
	i := t.Info()
	return TopicInfo{Name: i.Name, ID: i.ID, First: i.First, Next: i.Next, Records: i.Records,
		CreatedAt: timeOf(i.CreatedAt), FirstTime: timeOf(i.FirstTime), LastTime: timeOf(i.LastTime), Bytes: i.Bytes,
		DiskBytes: i.DiskBytes, Segments: i.Segments, Damaged: i.Damaged,
		Options: TopicOptions{SegmentSize: i.Options.SegmentSize, Compression: Compression(i.Options.Compression)}}
}

// timeOf returns a time of unix milliseconds; zero stays zero.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Topic returns the description of a topic. The error is ErrInvalidTopic if it does not
// exist.
func (n *Node) Topic(ctx context.Context, name string) (TopicInfo, error) {
	if ctx.Err() != nil {
		return TopicInfo{}, context.Cause(ctx)
	}
	t, err := n.e.Topic(name)
	if err != nil {
		return TopicInfo{}, err
	}
	return topicInfo(t), nil
}

// Topics returns the descriptions of all topics, by name.
func (n *Node) Topics(ctx context.Context) ([]TopicInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	list, err := n.e.Topics()
	if err != nil {
		return nil, err
	}
	out := make([]TopicInfo, len(list))
	for i, t := range list {
		out[i] = topicInfo(t)
	}
	return out, nil
}

// CreateTopic creates a topic with options of its own. Zero options mean the node's
// defaults. The error is ErrTopicExists if the topic exists.
func (n *Node) CreateTopic(ctx context.Context, name string, o TopicOptions) error {
	return n.e.CreateTopic(ctx, name, o.options())
}

// DeleteTopic removes a topic and all its records for good. A topic created later under
// that name is a new one.
func (n *Node) DeleteTopic(ctx context.Context, name string) error {
	return n.e.DeleteTopic(ctx, name)
}

// Prune removes the records of a topic with sequences below first. The others keep their
// sequences and ids. Disk space is freed by whole segments.
func (n *Node) Prune(ctx context.Context, topic string, first uint64) error {
	return n.e.Prune(ctx, topic, first)
}
