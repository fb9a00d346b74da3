package rpc

import (
	"encoding/json"
	"sync"
)

// maxQueued bounds what waits for a subscription's consumer: some minutes of blocks.
const maxQueued = 64

// Subscription is what a node tells until Close, the connection's end or a full queue.
type Subscription struct {
	unsubscribe string
	stop        func(*Subscription)

	mu    sync.Mutex
	c     chan json.RawMessage
	id    string // "" until the node answered
	err   error
	ended bool
}

// C gives each notification's result; it is closed at the end, and Err says why.
func (s *Subscription) C() <-chan json.RawMessage { return s.c }

// Err is why C was closed: ErrLost (subscribe again), ErrSlow, ErrClosed (the client); nil after the subscription's own Close.
func (s *Subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the subscription, here and at the node. It does not wait for the node.
func (s *Subscription) Close() {
	if s.end(nil) {
		s.stop(s)
	}
}

// end reports whether it was this call that ended it.
func (s *Subscription) end(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended, s.err = true, err
	close(s.c)
	return true
}

func (s *Subscription) deliver(b json.RawMessage) {
	s.mu.Lock()
	full := false
	if !s.ended {
		select {
		case s.c <- b:
		default:
			full = true
		}
	}
	s.mu.Unlock()
	if full && s.end(ErrSlow) {
		s.stop(s)
	}
}
