package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2 // also: verify or repair could not run
)

// errPipe means that the reader of standard output is gone.
var errPipe = errors.New("the standard output was closed")

// usageError is a mistake in the arguments that is found after parsing.
type usageError struct{ error }

// codeError asks for a specific exit code.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

// exit reports err and returns the exit code.
func (a *app) exit(cmd *cobra.Command, err error) int {
	if err == nil || errors.Is(err, errPipe) {
		return exitOK
	}
	if _, ok := errors.AsType[usageError](err); ok || !a.running {
		if cmd.Name() == "help" {
			cmd = cmd.Root()
		}
		a.note("%s; see '%s --help'", oneLine(err.Error()), cmd.CommandPath())
		return exitUsage
	}
	code := exitError
	if e, ok := errors.AsType[codeError](err); ok {
		code = e.code
	}
	a.note("%s", explain(err))
	return code
}

// interrupted replaces the error text of a context that a signal cancelled.
var interrupted = strings.NewReplacer(context.Canceled.Error(), "interrupted",
	"interrupt signal received", "interrupted", "terminated signal received", "interrupted")

// explain returns an error as one line that ends with what to do about it.
func explain(err error) string {
	s := oneLine(err.Error())
	if errors.Is(err, context.Canceled) {
		return interrupted.Replace(s)
	}
	// Some errors already contain their code; it is prepended to the others.
	if code := pipeproc.Code(err); code != "" && !strings.Contains(s, code) {
		s = code + ": " + s
	}
	if h := hint(err); h != "" && !strings.Contains(s, "pipeproc repair") && !strings.Contains(s, h) {
		s += "; " + h
	}
	return s
}

func hint(err error) string {
	switch pipeproc.Code(err) {
	case "invalid_topic":
		return "'pipeproc topics' lists those there are"
	case "invalid_range_offset":
		if strings.Contains(err.Error(), "$>") {
			return "" // an offset of a proc: it has said what it takes
		}
		return "use an id, a time in milliseconds or :sequence"
	case "invalid_tone_id_search":
		return "'pipeproc topics' shows the sequences that each topic has"
	case "invalid_import":
		return "see 'pipeproc import --help'"
	case "topic_exists":
		return "choose another name, or remove it with 'pipeproc topic delete'"
	case "uncommited":
		return "'pipeproc ack' acknowledges without records"
	case "invalid_proc":
		return "'pipeproc procs' lists those there are"
	case "invalid_proc_options":
		return "see 'pipeproc proc --help'"
	case "proc_is_disabled":
		return "'pipeproc resume' does that"
	case "proc_name_not_unique":
		return "'pipeproc procs' lists those in use"
	case "proc_definition_differs":
		return "--replace takes the new definition"
	case "proc_already_disabled":
		return "'pipeproc resume' lets it go on"
	case "proc_already_active":
		return "nothing had to be done"
	case "invalid_ack", "invalid_ack_or_commit", "nothing_to_reclaim":
		return "a claim that timed out was taken back; 'pipeproc proc' claims again"
	case "claim_lost":
		return "'pipeproc proc' claims again what is not acknowledged"
	case "topic_damaged":
		return "run 'pipeproc verify', then 'pipeproc repair'"
	case "corrupt":
		return "run 'pipeproc verify' to see all damage, and 'pipeproc repair' to drop what cannot be read"
	case "no_space":
		return "free some space and try again"
	case "outcome_unknown", "log_failed":
		if strings.Contains(err.Error(), "answer of the node") {
			return "read the topic to see what is there"
		}
		return "check the disk, then read the topic to see what is there"
	case "not_a_store":
		return "check --dir; a store needs a directory of its own"
	case "unsupported_version":
		return "use the version of pipeproc that wrote it, or a newer one"
	}
	switch {
	case strings.HasPrefix(pipeproc.Code(err), "tls "):
		return "--tls-cert, --tls-key and --tls-ca name the files"
	case strings.Contains(err.Error(), "AllowPlain"):
		return "--allow-plain does that"
	case errors.Is(err, pipeproc.ErrInUse):
		return "a directory has one owner at a time; 'pipeproc serve' lets many use it"
	case strings.HasPrefix(err.Error(), "there is no pipeproc store"):
		return "check --dir; 'pipeproc commit' creates a store"
	case errors.Is(err, fs.ErrPermission):
		return "check who owns it and its mode"
	}
	return ""
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
