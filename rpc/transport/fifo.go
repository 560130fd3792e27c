package transport

// fifo is a queue whose memory is used again.
type fifo[T any] struct {
	all  []T
	head int // all[head:] is in the queue
}

func (q *fifo[T]) len() int { return len(q.all) - q.head }

func (q *fifo[T]) push(v T) {
	if q.head > 32 && q.head > len(q.all)/2 {
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, v)
}

// pop takes the oldest. There must be one.
func (q *fifo[T]) pop() T {
	var zero T
	v := q.all[q.head]
	q.all[q.head] = zero
	if q.head++; q.head == len(q.all) {
		q.all, q.head = q.all[:0], 0
	}
	return v
}
