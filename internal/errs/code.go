package errs

import "errors"

// Error is an error with a machine-readable code. Two of them match under
// errors.Is when their codes are equal, so the sentinels below (and their
// re-exports) match every error of their code, however much detail it carries.
type Error struct {
	Code   string // stable, part of the API and of the wire protocol
	Detail string // what happened and what to do next
	Err    error  // the cause, if there is one
}

func (e *Error) Error() string {
	s := e.Code
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	if target == NoOpenClaim {
		return e.Code == NothingToReclaim.Code || e.Code == InvalidAck.Code || e.Code == InvalidAckCommit.Code
	}
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// NoOpenClaim matches the three codes for a call that needs an open claim of a proc
// that has none. No error has it as its own.
var NoOpenClaim = errors.New("the proc has no open claim")

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// With returns an error of e's code with a detail.
func (e *Error) With(detail string) *Error { return &Error{Code: e.Code, Detail: detail} }

// Wrap returns an error of e's code with a detail and a cause.
func (e *Error) Wrap(err error, detail string) *Error {
	return &Error{Code: e.Code, Detail: detail, Err: err}
}

// Code returns the code of the first *Error in err's chain, or "".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if errors.Is(err, ErrCorrupt) {
		return "corrupt"
	}
	return ""
}

// The codes of the original system, spelt as it spells them.
var (
	InvalidTopic        = &Error{Code: "invalid_topic"}
	InvalidTopicFormat  = &Error{Code: "invalid_topic_format"}
	InvalidRangeOffset  = &Error{Code: "invalid_range_offset"}
	InvalidSequence     = &Error{Code: "invalid_tone_id_search"}
	Uncommitted         = &Error{Code: "uncommited"}
	InvalidProc         = &Error{Code: "invalid_proc"}
	ProcDisabled        = &Error{Code: "proc_is_disabled"}
	ProcNameNotUnique   = &Error{Code: "proc_name_not_unique"}
	ProcAlreadyDisabled = &Error{Code: "proc_already_disabled"}
	ProcAlreadyActive   = &Error{Code: "proc_already_active"}
	NothingToReclaim    = &Error{Code: "nothing_to_reclaim"}
	InvalidAck          = &Error{Code: "invalid_ack"}
	InvalidAckCommit    = &Error{Code: "invalid_ack_or_commit"}
	NoProcessor         = &Error{Code: "no_valid_processor_provided"}
)

// Codes of our own.
var (
	Closed             = &Error{Code: "closed"}
	ReadOnly           = &Error{Code: "read_only"}
	Failed             = &Error{Code: "log_failed"}
	OutcomeUnknown     = &Error{Code: "outcome_unknown"}
	TooLarge           = &Error{Code: "too_large"}
	Pruned             = &Error{Code: "pruned"}
	Conflict           = &Error{Code: "conflict"}
	TopicExists        = &Error{Code: "topic_exists"}
	InvalidOptions     = &Error{Code: "invalid_options"}
	InvalidImport      = &Error{Code: "invalid_import"}
	DiskLimit          = &Error{Code: "disk_limit"}
	NoSpace            = &Error{Code: "no_space"}
	Overloaded         = &Error{Code: "overloaded"}
	Version            = &Error{Code: "unsupported_version"}
	Damaged            = &Error{Code: "topic_damaged"}
	InvalidProcOptions = &Error{Code: "invalid_proc_options"}
	Forbidden          = &Error{Code: "forbidden"}
	ClaimLost          = &Error{Code: "claim_lost"}
	NodeExited         = &Error{Code: "node_exited"}
	ProcDiffers        = &Error{Code: "proc_definition_differs"}
	NotStore           = &Error{Code: "not_a_store"}
)
