package sdk

import (
	"context"
	"errors"
	"time"

	"github.com/vision19/vision/sdk/schema"
)

// Code is the class of an error, for the caller to decide by.
type Code string

// The codes. Each survives the wire, and each has a sentinel for errors.Is.
const (
	CodeInvalidInput Code = "invalid_input" // the request or the configuration is wrong; Param names what
	CodeUnsafe       Code = "unsafe_content"
	CodeOutOfMemory  Code = "out_of_memory"
	CodeCancelled    Code = "cancelled"
	CodeDeadline     Code = "deadline_exceeded"
	CodeBusy         Code = "busy"        // a queue is full or the plugin is not ready; RetryAfter says when to come again
	CodeUnavailable  Code = "unavailable" // the plugin has died or does not start; RetryAfter says when to come again
	CodeInternal     Code = "internal"
)

// Sentinels for errors.Is: errors.Is(err, sdk.ErrBusy).
var (
	ErrInvalidInput = &Error{Code: CodeInvalidInput}
	ErrUnsafe       = &Error{Code: CodeUnsafe}
	ErrOutOfMemory  = &Error{Code: CodeOutOfMemory}
	ErrCancelled    = &Error{Code: CodeCancelled}
	ErrDeadline     = &Error{Code: CodeDeadline}
	ErrBusy         = &Error{Code: CodeBusy}
	ErrUnavailable  = &Error{Code: CodeUnavailable}
	ErrInternal     = &Error{Code: CodeInternal}
)

// Error is an error that a caller can act on.
type Error struct {
	Code       Code
	Message    string
	Param      string        // CodeInvalidInput: the input or parameter
	RetryAfter time.Duration // CodeBusy, CodeUnavailable
	Faults     schema.Faults // CodeInvalidInput: everything that is wrong, when it is more than one thing

	cause error
}

// Error returns the message, or the code without one.
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return e.Message
}

// Is reports whether target is the sentinel of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Unwrap returns what caused the error, on the side where it arose.
func (e *Error) Unwrap() error { return e.cause }

// NewError makes an error of the code that wraps cause, which may be nil.
func NewError(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, cause: cause}
}

// InvalidInput makes the error for one wrong input or parameter.
func InvalidInput(param, message string) *Error {
	return &Error{Code: CodeInvalidInput, Message: message, Param: param}
}

// InvalidInputs makes one error of all faults; nil when there are none.
func InvalidInputs(faults schema.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalidInput, Message: faults.Error(), Param: faults[0].Param, Faults: faults}
}

// AsError gives any error a code: an *Error anywhere in its chain keeps its own, an error that has a method ErrorCode, as those of packages
// that do not import this one, has what that says; a context's end becomes cancelled or deadline, everything else is internal.
// AsError(nil) is nil.
func AsError(err error) *Error {
	var e *Error
	var coded interface{ ErrorCode() string }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.As(err, &coded):
		return NewError(Code(coded.ErrorCode()), err.Error(), err)
	case errors.Is(err, context.DeadlineExceeded):
		return NewError(CodeDeadline, "the deadline has passed", err)
	case errors.Is(err, context.Canceled):
		return NewError(CodeCancelled, "the request was cancelled", err)
	default:
		return NewError(CodeInternal, err.Error(), err)
	}
}
