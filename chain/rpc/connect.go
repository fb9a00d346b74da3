package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"
)

// link is a connection to one endpoint.
type link interface {
	call(ctx context.Context, method string, params []any) (json.RawMessage, error)
	subscribe(ctx context.Context, method, unsubscribe string, params []any) (*Subscription, error)
	done() <-chan struct{} // closed when lost
	cause() error          // why it was lost
	lose(cause error)
	close(cause error) // lose, and wait for its goroutines
}

// endpoint is where a node is. Its name holds neither credentials nor path nor query, since providers put keys in all three.
type endpoint struct {
	url, name string
	web       bool // websocket
	notBefore time.Time
}

func parse(text string) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL; want such as wss://host:port")
	}
	if u.Host == "" {
		return nil, errors.New("the URL has no host; want such as wss://host:port")
	}
	e := &endpoint{url: text, name: u.Scheme + "://" + u.Host}
	switch u.Scheme {
	case "ws", "wss":
		e.web = true
	case "http", "https":
	default:
		return nil, fmt.Errorf("scheme %q at %s; want ws, wss, http or https", u.Scheme, u.Host)
	}
	return e, nil
}

// open connects to e and asks for the head: an endpoint counts when it answers.
func (c *Client) open(ctx context.Context, e *endpoint) (link, error) {
	ctx, cancel := context.WithTimeout(ctx, min(c.pace.timeout, c.pace.dial))
	defer cancel()
	var l link
	if e.web {
		s, err := openSocket(ctx, e.url, c.http, c.pace, &c.ignored)
		if err != nil {
			return nil, err
		}
		l = s
	} else {
		l = openPlain(e.url, c.http)
	}
	b, err := l.call(ctx, "chain_getHeader", nil)
	var refused *Error
	var busy *BusyError
	switch {
	case err == nil:
		c.see(b)
	case !errors.As(err, &refused) || errors.As(err, &busy):
		l.close(err)
		return nil, err
	}
	return l, nil
}

// round tries every endpoint once, from the one whose turn it is, and connects to the first that answers. The error names every endpoint and why.
func (c *Client) round(ctx context.Context) error {
	var all []error
	for range c.ends {
		i := c.next
		e := c.ends[i]
		c.next = (c.next + 1) % len(c.ends)
		if wait := time.Until(e.notBefore); wait > 0 {
			all = append(all, fmt.Errorf("%s: %w", e.name, &BusyError{RetryAfter: wait.Round(time.Millisecond)}))
			continue
		}
		l, err := c.open(ctx, e)
		if err != nil {
			c.hold(e, err)
			all = append(all, fmt.Errorf("%s: %w", e.name, err))
			continue
		}
		c.mu.Lock()
		c.link, c.at = l, e
		c.failures = 0
		c.generation++
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		c.log.Info("chain node connected", "endpoint", e.name)
		return nil
	}
	return fmt.Errorf("rpc: no endpoint answers: %w", errors.Join(all...))
}

// hold keeps away from an endpoint for as long as it asked.
func (c *Client) hold(e *endpoint, err error) {
	var busy *BusyError
	if errors.As(err, &busy) {
		e.notBefore = time.Now().Add(max(busy.RetryAfter, c.pace.least))
	}
}

// run keeps the client connected until Close.
func (c *Client) run() {
	defer close(c.ended)
	defer func() {
		if c.link != nil { // made at the moment of Close
			c.link.close(ErrClosed)
		}
	}()
	quick := 0 // connections in a row that went soon, and rounds without any
	for c.ctx.Err() == nil {
		c.mu.Lock()
		l, e := c.link, c.at
		c.mu.Unlock()
		start := time.Now()
		c.watch(l, e.name)
		cause := l.cause()
		c.mu.Lock()
		c.link, c.why = nil, fmt.Errorf("%s: %w", e.name, cause)
		c.mu.Unlock()
		l.close(cause)
		if c.ctx.Err() != nil {
			return
		}
		c.hold(e, cause)
		c.log.Warn("chain node lost", "endpoint", e.name, "error", cause)
		if time.Since(start) > c.pace.most {
			quick = 0
		}
		for ; c.ctx.Err() == nil; quick++ {
			if quick > 0 && !c.sleep(backoff(quick-1, c.pace.least, c.pace.most, rand.Float64())) {
				return
			}
			err := c.round(c.ctx)
			if err == nil {
				quick++
				break
			}
			c.mu.Lock()
			c.why = err
			c.mu.Unlock()
		}
	}
}

func (c *Client) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// backoff doubles from least to most; chance, 0 to 1, takes off up to half, so that many clients do not return at once.
func backoff(n int, least, most time.Duration, chance float64) time.Duration {
	d := most
	if n < 30 && least<<n < most {
		d = least << n
	}
	return d - time.Duration(chance*float64(d)/2)
}
