package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var (
	// ErrEndpoint refuses the endpoints of Options.
	ErrEndpoint = errors.New("wrong endpoints")
	// ErrLost ends a call or subscription whose connection went while it was open. The node may have got the request: a submit may have arrived. The same holds for
	// a call that ends with context.DeadlineExceeded.
	ErrLost = errors.New("connection lost")
	// ErrClosed answers everything after Close.
	ErrClosed = errors.New("client closed")
	// ErrNoSubscriptions refuses Subscribe over HTTP.
	ErrNoSubscriptions = errors.New("subscriptions need a ws:// or wss:// endpoint")
	// ErrSlow ends a subscription whose consumer let its queue fill up.
	ErrSlow = errors.New("subscription ended: its queue is full")
	// ErrTooMany refuses a call or subscription beyond the bound on open ones.
	ErrTooMany = errors.New("too many calls or subscriptions open")
)

// Error is the node's own refusal of a call.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *Error) Error() string {
	if len(e.Data) > 0 {
		return fmt.Sprintf("node refused: %s (code %d): %s", e.Message, e.Code, e.Data)
	}
	return fmt.Sprintf("node refused: %s (code %d)", e.Message, e.Code)
}

// BusyError says that the node limits our rate: HTTP 429, or one of the JSON-RPC codes for it. The call was not run.
type BusyError struct {
	RetryAfter time.Duration // 0: the node did not say
	Refusal    *Error        // nil for HTTP 429
}

func (e *BusyError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("node limits our rate: try again in %s", e.RetryAfter)
	}
	return "node limits our rate"
}

func (e *BusyError) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}

// refusal is e, or the BusyError it stands for. -32999 is what a Substrate node's own rate limit answers, -32029 what public gateways do.
func refusal(e *Error) error {
	if e.Code == -32999 || e.Code == -32029 {
		return &BusyError{Refusal: e}
	}
	return e
}

// maxRetryAfter bounds what a node can make us wait.
const maxRetryAfter = 10 * time.Minute

// status is the error of an HTTP reply that is not want, nil for one that is.
func status(r *http.Response, want int, now time.Time) error {
	switch {
	case r.StatusCode == want:
		return nil
	case r.StatusCode != http.StatusTooManyRequests:
		return fmt.Errorf("HTTP status %d, want %d", r.StatusCode, want)
	}
	var after time.Duration
	text := r.Header.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		after = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return &BusyError{RetryAfter: min(max(after, 0), maxRetryAfter)}
}

// bare is err without the URL that net/http and net/url put in: it may hold a key.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return bare(u.Err)
	}
	return err
}
