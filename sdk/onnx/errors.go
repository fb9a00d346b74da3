package onnx

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that a caller decides by.
var (
	// ErrLibrary is returned when ONNX Runtime's library is not there or does not load; the text says what to do.
	ErrLibrary = errors.New("ONNX Runtime is not available")
	// ErrNoModel is returned for a file that is no ONNX model, or a damaged one.
	ErrNoModel = errors.New("no ONNX model")
	// ErrCut is returned for a model file that ends too early, as after a download that broke off.
	ErrCut = errors.New("the model file is cut short")
	// ErrPointer is returned for a file that git-lfs has to fetch first.
	ErrPointer = errors.New("a git-lfs pointer and not the file itself: fetch it with `git lfs pull`")
	// ErrExternalData is returned when a file of weights beside the model is missing, too short, or not in the model's folder.
	ErrExternalData = errors.New("external data")
	// ErrElementType is returned for a tensor whose elements cannot be what the graph wants, or that this package cannot hold.
	ErrElementType = errors.New("wrong element type")
	// ErrOutOfMemory is returned when the runtime could not allocate what a model or a run needs. sdk.AsError gives it its code.
	ErrOutOfMemory error = outOfMemory{}
)

type outOfMemory struct{}

// Error implements error.
func (outOfMemory) Error() string { return "out of memory" }

// ErrorCode is the code that sdk.AsError gives the error.
func (outOfMemory) ErrorCode() string { return "out_of_memory" }

// failure recognises what is out of memory: the runtime has no error code for it, only its allocators' texts.
func failure(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"failed to allocate memory", "bad_alloc", "out of memory", "cudaerrormemoryallocation"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: %w", ErrOutOfMemory, err)
		}
	}
	return err
}
