// Package rpc is a JSON-RPC 2.0 client for Substrate nodes, over websocket or HTTP. One connection is shared by all calls. It is watched by pings and by the chain's own
// blocks, and replaced by one to the next endpoint when it goes, hangs or shows no new block.
package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what Dial takes. A duration of 0 is the default.
type Options struct {
	Endpoints []string                                   // 1 to 16, in order of preference: ws, wss, http or https URLs
	Timeout   time.Duration                              // of each call, the wait for a connection included; 1 s to 5 min, default 30 s
	Ping      time.Duration                              // between websocket pings, and the longest wait for a pong; 1 s to 5 min, default 20 s
	Stale     time.Duration                              // without a new block, before the next endpoint is tried; 1 s to 1 h, default 120 s (10 blocks)
	OnStale   func(endpoint string, since time.Duration) // called then; it must return soon
	Log       *slog.Logger                               // nil: none
}

// pace is every duration the client lives by.
type pace struct {
	timeout, ping, stale time.Duration
	dial                 time.Duration // for one endpoint to answer
	poll                 time.Duration // between heads over HTTP
	least, most          time.Duration // between rounds: most and one quick connect stay under 30 s
}

const (
	maxEndpoints = 16
	maxFailures  = 3 // calls in a row without an answer, before the connection is given up
)

var errTimeout = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// Client is a connection to one of its endpoints that is replaced when lost. It is safe for concurrent use.
type Client struct {
	ends    []*endpoint
	pace    pace
	http    *http.Client
	log     *slog.Logger
	onStale func(string, time.Duration)
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{}
	next    int // the endpoint to try next; of Dial, then of run
	ignored atomic.Uint64

	mu         sync.Mutex
	link       link // nil while there is none
	at         *endpoint
	why        error         // the last loss or round without an answer
	changed    chan struct{} // closed at the next connection
	generation uint64
	failures   int
	block      uint64
	blockAt    time.Time
}

// Dial connects to the first endpoint that answers. Its error names every endpoint and why; none holds a URL's credentials, path or query.
func Dial(ctx context.Context, o Options) (*Client, error) {
	p := pace{dial: 10 * time.Second, poll: 6 * time.Second, least: time.Second, most: 20 * time.Second}
	for _, d := range []struct {
		name        string
		to          *time.Duration
		value, from time.Duration
		most        time.Duration
	}{{"timeout", &p.timeout, o.Timeout, 30 * time.Second, 5 * time.Minute}, {"ping", &p.ping, o.Ping, 20 * time.Second, 5 * time.Minute},
		{"stale", &p.stale, o.Stale, 120 * time.Second, time.Hour}} {
		*d.to = d.value
		if d.value == 0 {
			*d.to = d.from
		}
		if *d.to < time.Second || *d.to > d.most {
			return nil, fmt.Errorf("rpc: %s %s, want 1s to %s", d.name, d.value, d.most)
		}
	}
	return dial(ctx, o, p)
}

func dial(ctx context.Context, o Options, p pace) (*Client, error) {
	if n := len(o.Endpoints); n < 1 || n > maxEndpoints {
		return nil, fmt.Errorf("%w: %d of them, want 1 to %d", ErrEndpoint, n, maxEndpoints)
	}
	c := &Client{pace: p, log: o.Log, onStale: o.OnStale, ended: make(chan struct{}), changed: make(chan struct{})}
	for i, text := range o.Endpoints {
		e, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%w: number %d: %w", ErrEndpoint, i+1, err)
		}
		c.ends = append(c.ends, e)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a key must not follow one
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.round(ctx); err != nil {
		c.cancel()
		c.http.CloseIdleConnections()
		return nil, err
	}
	go c.run()
	return c, nil
}

// Call asks and decodes the answer into result, unless that is nil. Without a connection it waits for one. A call other than author_* and dev_* is tried once more when the
// connection went meanwhile. Errors: *Error, *BusyError, ErrLost, ErrClosed, ErrTooMany, ctx's own, and context.DeadlineExceeded after Timeout.
func (c *Client) Call(ctx context.Context, result any, method string, params ...any) error {
	again := !strings.HasPrefix(method, "author_") && !strings.HasPrefix(method, "dev_")
	return c.with(ctx, method, again, func(ctx context.Context, l link) error {
		b, err := l.call(ctx, method, params)
		if err != nil || result == nil {
			return err
		}
		if err := json.Unmarshal(b, result); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		return nil
	})
}

// Subscribe opens a subscription, which unsubscribe will close. It is never tried again, and ends with the connection. Errors: as Call, and ErrNoSubscriptions.
func (c *Client) Subscribe(ctx context.Context, method, unsubscribe string, params ...any) (*Subscription, error) {
	var sub *Subscription
	err := c.with(ctx, method, false, func(ctx context.Context, l link) (err error) {
		sub, err = l.subscribe(ctx, method, unsubscribe, params)
		return err
	})
	return sub, err
}

func (c *Client) with(ctx context.Context, method string, again bool, do func(context.Context, link) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.pace.timeout, errTimeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(c.ctx, func() { end(ErrClosed) })()
	for {
		l, name, err := c.connected(ctx)
		if err != nil {
			return fmt.Errorf("rpc: %s: %w", method, err)
		}
		if err = do(ctx, l); err == nil {
			c.judge(l, nil)
			return nil
		}
		c.judge(l, err)
		var busy *BusyError
		if again && (errors.Is(err, ErrLost) || errors.As(err, &busy) && busy.Refusal == nil) {
			again = false
			continue
		}
		return fmt.Errorf("rpc: %s at %s: %w", method, name, err)
	}
}

// connected waits for a connection.
func (c *Client) connected(ctx context.Context) (link, string, error) {
	for {
		c.mu.Lock()
		l, e, changed, why := c.link, c.at, c.changed, c.why
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			return nil, "", ErrClosed
		}
		var gone <-chan struct{}
		if l != nil {
			gone = l.done()
			select {
			case <-gone: // run will replace it
			default:
				return l, e.name, nil
			}
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
		case <-ctx.Done():
			if why == nil {
				return nil, "", context.Cause(ctx)
			}
			return nil, "", fmt.Errorf("not connected: %w: %w", context.Cause(ctx), why)
		}
	}
}

// judge counts the calls in a row that had no answer, and gives up the connection at the third. A node's refusal is an answer.
func (c *Client) judge(l link, err error) {
	var refused *Error
	var busy *BusyError
	bad := errors.Is(err, errTimeout) || errors.As(err, &busy)
	if !bad && err != nil && !errors.As(err, &refused) {
		return // the caller's own doing, or a loss that is known
	}
	c.mu.Lock()
	switch {
	case c.link != l:
		bad = false
	case bad:
		c.failures++
		bad = c.failures >= maxFailures
	default:
		c.failures = 0
	}
	c.mu.Unlock()
	if bad {
		l.lose(fmt.Errorf("%d calls in a row had no answer: %w", maxFailures, err))
	}
}

// lost marks a cause as the end of a connection, but for our own Close.
func lost(cause error) error {
	if errors.Is(cause, ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrLost, cause)
}

// Endpoint is the scheme and host of the last connection.
func (c *Client) Endpoint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.name
}

// Generation counts the connections made, from 1.
func (c *Client) Generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}

// LastBlock is the number of the last head seen, and when it was first seen; the zero time before any.
func (c *Client) LastBlock() (number uint64, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.block, c.blockAt
}

// Ignored counts messages that nobody waited for: late answers, unknown ids, heads that are none.
func (c *Client) Ignored() uint64 { return c.ignored.Load() }

// Close ends every call and subscription with ErrClosed, and waits for all that ran.
func (c *Client) Close() error {
	c.cancel()
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.lose(ErrClosed)
	}
	<-c.ended
	c.http.CloseIdleConnections()
	return nil
}
