package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errGoexit is the failure of a processor that called runtime.Goexit.
var errGoexit = errors.New("the processor called runtime.Goexit")

// panicError is the failure of a processor that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("the processor panicked: %v", e.value) }

// Unwrap returns the value when it is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// invoke calls fn and turns a panic, or refused output, into an error. It does
// not return when fn calls runtime.Goexit.
func invoke(ctx context.Context, fn Processor, w *Work) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	if err := fn(ctx, w); err != nil {
		return err
	}
	return w.err
}
