package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errGoexit is the failure of a processor that called runtime.Goexit.
var errGoexit = errors.New("the processor called runtime.Goexit")

// failure is what a processor returned or panicked with. Its text was taken once, when
// that happened: a method of the value may panic, and nothing of it is called again.
type failure struct {
	text  string
	value any
	stack []byte // of a panic
}

func (e *failure) Error() string { return e.text }

// Unwrap returns the value when it is an error.
func (e *failure) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// textOf returns the text of what a processor returned or panicked with.
func textOf(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a value of type %T, whose text cannot be had", v)
		}
	}()
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// invoke calls fn and turns a panic, or refused output, into an error whose Error does
// not panic. It does not return when fn calls runtime.Goexit.
func invoke(ctx context.Context, fn Processor, w *Work) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &failure{"the processor panicked: " + textOf(r), r, debug.Stack()}
		}
	}()
	if err := fn(ctx, w); err != nil {
		return &failure{text: textOf(err), value: err}
	}
	return w.err
}
