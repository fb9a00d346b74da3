package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	maxMessage       = 32 << 20 // of a reply: metadata is about 600 KB of hex, a full metagraph a few MB
	maxPending       = 1024     // calls in flight on one connection
	maxSubscriptions = 256      // on one connection
)

// pending waits for the answer to one call.
type pending struct {
	answer chan reply    // one place, so that the reader never waits
	sub    *Subscription // opened by the answer, nil for a plain call
}

// socket is one websocket connection with its reader, writer and pinger.
type socket struct {
	conn    *websocket.Conn
	ignored *atomic.Uint64
	out     chan []byte
	ctx     context.Context // ends with the connection; its cause says why
	cancel  context.CancelCauseFunc
	wait    sync.WaitGroup

	mu      sync.Mutex
	last    uint64
	pending map[uint64]*pending
	subs    map[string]*Subscription
}

func openSocket(ctx context.Context, url string, client *http.Client, p pace, ignored *atomic.Uint64) (*socket, error) {
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusTooManyRequests {
			return nil, status(resp, http.StatusSwitchingProtocols, time.Now())
		}
		return nil, bare(err)
	}
	conn.SetReadLimit(maxMessage)
	s := &socket{conn: conn, ignored: ignored, out: make(chan []byte, maxPending), pending: map[uint64]*pending{}, subs: map[string]*Subscription{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.wait.Go(s.read)
	s.wait.Go(func() { s.write(p.timeout) })
	s.wait.Go(func() { s.ping(p.ping) })
	return s, nil
}

func (s *socket) done() <-chan struct{} { return s.ctx.Done() }

func (s *socket) cause() error { return context.Cause(s.ctx) }

// lose ends the connection, and every call and subscription on it.
func (s *socket) lose(cause error) {
	s.cancel(cause)
	s.mu.Lock()
	subs := s.subs
	s.subs = map[string]*Subscription{}
	s.mu.Unlock()
	for _, sub := range subs {
		sub.end(lost(s.cause()))
	}
}

// close waits for all that ran for the connection.
func (s *socket) close(cause error) {
	s.lose(cause)
	s.conn.CloseNow()
	s.wait.Wait()
}

func (s *socket) read() {
	for {
		_, b, err := s.conn.Read(s.ctx)
		if err != nil {
			s.lose(err)
			return
		}
		r, err := decode(b)
		if err != nil {
			s.lose(err)
			return
		}
		s.take(r)
	}
}

// take hands a message to who waits for it. A subscription is entered here, before the next message is read, so that nothing it tells is missed.
func (s *socket) take(r reply) {
	s.mu.Lock()
	sub, p := s.subs[r.subscription], s.pending[r.id]
	delete(s.pending, r.id)
	if p != nil && p.sub != nil && r.err == nil {
		p.sub.mu.Lock()
		p.sub.id = string(r.result)
		ended := p.sub.ended
		p.sub.mu.Unlock()
		if s.ctx.Err() == nil && !ended {
			if old := s.subs[p.sub.id]; old != nil { // the node gave one id twice
				old.end(lost(errReply))
			}
			s.subs[p.sub.id] = p.sub
		}
		if ended { // given up before the answer came
			defer s.stop(p.sub)
		}
	}
	s.mu.Unlock()
	switch {
	case p != nil:
		p.answer <- r
	case sub != nil:
		sub.deliver(r.result)
	default:
		s.ignored.Add(1)
	}
}

// write is the only writer. A caller's context never reaches the connection, which would be closed by its end.
func (s *socket) write(timeout time.Duration) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case b := <-s.out:
			ctx, cancel := context.WithTimeout(s.ctx, timeout)
			err := s.conn.Write(ctx, websocket.MessageText, b)
			cancel()
			if err != nil {
				s.lose(err)
				return
			}
		}
	}
}

// ping finds a half-open connection: a pong must come within one more interval.
func (s *socket) ping(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(s.ctx, every)
			err := s.conn.Ping(ctx)
			cancel()
			if err != nil {
				s.lose(fmt.Errorf("no pong within %s: %w", every, err))
				return
			}
		}
	}
}

// enter queues a request without waiting.
func (s *socket) enter(p *pending, method string, params []any) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= maxPending || p.sub != nil && len(s.subs) >= maxSubscriptions {
		return 0, fmt.Errorf("%w: at most %d calls and %d subscriptions", ErrTooMany, maxPending, maxSubscriptions)
	}
	b, err := encode(s.last+1, method, params)
	if err != nil {
		return 0, err
	}
	select {
	case s.out <- b:
	default:
		return 0, fmt.Errorf("%w: %d requests wait to be written", ErrTooMany, len(s.out))
	}
	s.last++
	s.pending[s.last] = p
	return s.last, nil
}

func (s *socket) call(ctx context.Context, method string, params []any) (json.RawMessage, error) {
	return s.ask(ctx, &pending{answer: make(chan reply, 1)}, method, params)
}

func (s *socket) ask(ctx context.Context, p *pending, method string, params []any) (json.RawMessage, error) {
	id, err := s.enter(p, method, params)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-p.answer:
		return r.value()
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.ctx.Done():
		err = lost(s.cause())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case r := <-p.answer: // it came at the same moment
		return r.value()
	default:
	}
	if p.sub == nil { // an abandoned subscription waits for its id, to be closed at the node
		delete(s.pending, id)
	}
	return nil, err
}

func (r reply) value() (json.RawMessage, error) {
	if r.err != nil {
		return nil, refusal(r.err)
	}
	return r.result, nil
}

func (s *socket) subscribe(ctx context.Context, method, unsubscribe string, params []any) (*Subscription, error) {
	sub := &Subscription{unsubscribe: unsubscribe, stop: s.stop, c: make(chan json.RawMessage, maxQueued)}
	if _, err := s.ask(ctx, &pending{answer: make(chan reply, 1), sub: sub}, method, params); err != nil {
		sub.Close()
		return nil, err
	}
	if s.ctx.Err() != nil { // lose may have passed before the subscription was entered
		sub.end(lost(s.cause()))
	}
	return sub, nil
}

// stop forgets sub and tells the node, if it can be told.
func (s *socket) stop(sub *Subscription) {
	sub.mu.Lock()
	id := sub.id
	sub.mu.Unlock()
	if id == "" {
		return
	}
	s.mu.Lock()
	delete(s.subs, id)
	s.mu.Unlock()
	if s.ctx.Err() == nil {
		// When even this finds no room, what the node still tells is ignored and counted.
		_, _ = s.enter(&pending{answer: make(chan reply, 1)}, sub.unsubscribe, []any{json.RawMessage(id)})
	}
}
