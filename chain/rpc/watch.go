package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// head is the number of a block header as a node gives it: {"number":"0x1f", ...}.
func head(b json.RawMessage) (uint64, error) {
	var h struct {
		Number string `json:"number"`
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return 0, fmt.Errorf("block header: %w", err)
	}
	digits, ok := strings.CutPrefix(h.Number, "0x")
	n, err := strconv.ParseUint(digits, 16, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("block header: number %.40q, want 0x and hex digits", h.Number)
	}
	return n, nil
}

// see notes a head, and reports whether its number is another than the last.
func (c *Client) see(b json.RawMessage) bool {
	n, err := head(b)
	if err != nil {
		c.ignored.Add(1)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == c.block && !c.blockAt.IsZero() {
		return false
	}
	c.block, c.blockAt = n, time.Now()
	return true
}

// watch follows the heads of l until it is lost, and loses it when none comes for too long.
func (c *Client) watch(l link, name string) {
	ctx, cancel := context.WithTimeout(c.ctx, c.pace.timeout)
	sub, err := l.subscribe(ctx, "chain_subscribeNewHeads", "chain_unsubscribeNewHeads", nil)
	cancel()
	var heads <-chan json.RawMessage
	var poll <-chan time.Time
	var refused *Error
	switch {
	case errors.Is(err, ErrNoSubscriptions):
		tick := time.NewTicker(c.pace.poll)
		defer tick.Stop()
		poll = tick.C
	case !errors.As(err, &refused) && err != nil:
		l.lose(err)
		return
	case err != nil:
		c.log.Warn("chain node gives no heads", "endpoint", name, "error", err)
	default:
		defer sub.Close()
		heads = sub.C()
	}
	since := time.Now()
	stale := time.NewTimer(c.pace.stale)
	defer stale.Stop()
	for {
		var b json.RawMessage
		select {
		case <-l.done():
			return
		case <-stale.C:
			gone := time.Since(since)
			c.log.Warn("chain node gives no new block", "endpoint", name, "since", gone)
			if c.onStale != nil {
				c.onStale(name, gone)
			}
			l.lose(fmt.Errorf("no new block for %s", gone.Round(time.Millisecond)))
			return
		case b = <-heads:
			if b == nil { // its end; the connection's end or the alarm follows
				heads = nil
				continue
			}
		case <-poll:
			ctx, cancel := context.WithTimeoutCause(c.ctx, c.pace.timeout, errTimeout)
			b, err = l.call(ctx, "chain_getHeader", nil)
			cancel()
			if c.judge(l, err); err != nil {
				continue
			}
		}
		if c.see(b) {
			since = time.Now()
			stale.Reset(c.pace.stale)
		}
	}
}
