package worker

import "github.com/pipeproc/pipeproc/topics"

// laneOutput keeps the output of a lane until the lanes before it are in the
// batch.
type laneOutput struct {
	items []laneRecord
	bytes []byte // key, headers and body of each item, one after the other
}

// laneRecord says where the parts of a record end in laneOutput.bytes.
type laneRecord struct {
	topic              string
	key, headers, body int
}

func (h *laneOutput) reset() { h.items, h.bytes = h.items[:0], h.bytes[:0] }

func (h *laneOutput) add(topic string, key, headers, body []byte) {
	i := laneRecord{topic: topic}
	h.bytes = append(h.bytes, key...)
	i.key = len(h.bytes)
	h.bytes = append(h.bytes, headers...)
	i.headers = len(h.bytes)
	h.bytes = append(h.bytes, body...)
	i.body = len(h.bytes)
	h.items = append(h.items, i)
}

// appendTo adds everything to b.
func (h *laneOutput) appendTo(b *topics.Batch) error {
	at := 0
	for _, i := range h.items {
		if err := b.Add(i.topic, h.bytes[at:i.key], h.bytes[i.key:i.headers], h.bytes[i.headers:i.body]); err != nil {
			return err
		}
		at = i.body
	}
	return nil
}
