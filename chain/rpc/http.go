package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// plain is an HTTP endpoint: each call is a POST of its own.
type plain struct {
	url    string
	client *http.Client
	open   atomic.Int64
	last   atomic.Uint64
	ctx    context.Context // ends when the client leaves the endpoint
	cancel context.CancelCauseFunc
}

func openPlain(url string, client *http.Client) *plain {
	h := &plain{url: url, client: client}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	return h
}

func (h *plain) done() <-chan struct{} { return h.ctx.Done() }
func (h *plain) cause() error          { return context.Cause(h.ctx) }
func (h *plain) lose(cause error)      { h.cancel(cause) }
func (h *plain) close(cause error)     { h.cancel(cause) }

func (h *plain) subscribe(context.Context, string, string, []any) (*Subscription, error) {
	return nil, ErrNoSubscriptions
}

// call loses the endpoint when the exchange itself fails, not when its time is over. Other calls in flight go on.
func (h *plain) call(ctx context.Context, method string, params []any) (json.RawMessage, error) {
	if h.open.Add(1) > maxPending {
		h.open.Add(-1)
		return nil, fmt.Errorf("%w: at most %d calls", ErrTooMany, maxPending)
	}
	defer h.open.Add(-1)
	id := h.last.Add(1)
	b, err := encode(id, method, params)
	if err != nil {
		return nil, err
	}
	r, err := h.post(ctx, b)
	if err == nil && r.id != id && r.err == nil {
		err = fmt.Errorf("%w: the answer to call %d has id %d", errReply, id, r.id)
	}
	if busy, ok := err.(*BusyError); ok {
		h.lose(busy)
		return nil, busy
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		h.lose(err)
		return nil, lost(err)
	}
	return r.value()
}

func (h *plain) post(ctx context.Context, b []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(b))
	if err != nil {
		return reply{}, bare(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		return reply{}, bare(err)
	}
	defer resp.Body.Close()
	if err := status(resp, http.StatusOK, time.Now()); err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage+1))
	if err != nil {
		return reply{}, err
	}
	if len(body) > maxMessage {
		return reply{}, fmt.Errorf("the reply is longer than %d bytes", maxMessage)
	}
	return decode(body)
}
