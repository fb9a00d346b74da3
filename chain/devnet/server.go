package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"
)

const (
	// maxConnections bounds the websockets, and apart from them the HTTP calls, that are served at once.
	maxConnections = 128
	// maxSubscriptions bounds those of one websocket. Source: Substrate's --rpc-max-subscriptions-per-connection.
	maxSubscriptions = 1024
	// maxQueue bounds the messages that wait for a slow reader; a socket above it is ended.
	maxQueue = 4096
)

// conn is a websocket.
type conn struct {
	out    chan json.RawMessage
	cancel context.CancelFunc
	subs   map[string]*subscription // guarded by the node's lock
}

// send never waits: it is called under the node's lock.
func (c *conn) send(text json.RawMessage) {
	select {
	case c.out <- text:
	default:
		c.cancel()
	}
}

// ServeHTTP takes a websocket, or a POST with a call or a batch.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !n.enter() {
		http.Error(w, "the node has ended", http.StatusServiceUnavailable)
		return
	}
	defer n.work.Done()
	if busy, ok := n.faults.take(Busy); ok {
		w.Header().Set("Retry-After", strconv.Itoa(busy.RetryAfter))
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	switch {
	case r.Method == http.MethodPost:
		n.post(w, r)
	case r.Method == http.MethodGet && r.Header.Get("Upgrade") != "":
		n.socket(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "a websocket, or a POST of JSON-RPC 2.0, is wanted", http.StatusMethodNotAllowed)
	}
}

// enter adds to what the node's end waits for, unless it has ended.
func (n *Node) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return false
	}
	n.work.Add(1)
	return true
}

func (n *Node) post(w http.ResponseWriter, r *http.Request) {
	select {
	case n.posts <- struct{}{}:
		defer func() { <-n.posts }()
	default:
		http.Error(w, "too many calls at once", http.StatusServiceUnavailable)
		return
	}
	// A web page can post other types without asking the browser's leave.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		http.Error(w, "the request has more than 4 MiB", http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	n.faults.wait(ctx.Done())
	if ctx.Err() != nil || n.faults.drops(1) {
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	}
	text := n.handle(nil, body)
	w.Header().Set("Content-Type", "application/json")
	if text == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, _ = w.Write(text) // the caller is gone when this fails
}

func (n *Node) socket(w http.ResponseWriter, r *http.Request) {
	select {
	case n.sockets <- struct{}{}:
		defer func() { <-n.sockets }()
	default:
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxRequest)
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	c := &conn{out: make(chan json.RawMessage, maxQueue), cancel: cancel, subs: map[string]*subscription{}}
	var writer sync.WaitGroup
	writer.Go(func() { n.write(ctx, c, ws) })
	n.read(ctx, c, ws)
	cancel()
	writer.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range c.subs {
		delete(n.subs, id)
	}
}

func (n *Node) read(ctx context.Context, c *conn, ws *websocket.Conn) {
	for count := 1; ; count++ {
		n.faults.stalled(ctx.Done())
		kind, body, err := ws.Read(ctx)
		if err != nil {
			return
		}
		n.faults.wait(ctx.Done())
		if ctx.Err() != nil || n.faults.drops(count) {
			return
		}
		if kind != websocket.MessageText {
			_ = ws.Close(websocket.StatusUnsupportedData, "JSON-RPC is text")
			return
		}
		n.handle(c, body)
	}
}

func (n *Node) write(ctx context.Context, c *conn, ws *websocket.Conn) {
	defer c.cancel()
	for {
		select {
		case text := <-c.out:
			n.faults.stalled(ctx.Done())
			if ws.Write(ctx, websocket.MessageText, text) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// handle answers a message: on a websocket through its queue, so that the reply to a subscription comes before what it tells; else as
// the result, which is nil where nothing wants an answer.
func (n *Node) handle(c *conn, body []byte) json.RawMessage {
	calls, batch, bad := decodeRequests(body)
	n.mu.Lock()
	defer n.mu.Unlock()
	var replies []json.RawMessage
	var after []func()
	if bad != nil {
		replies, batch = []json.RawMessage{answer(nil, nil, bad)}, false
	}
	for _, call := range calls {
		result, then, err := n.call(c, call)
		if len(call.ID) > 0 {
			replies = append(replies, answer(call.ID, result, err))
		}
		if then != nil {
			after = append(after, then)
		}
	}
	var text json.RawMessage
	if batch && len(replies) > 0 {
		text, _ = json.Marshal(replies) // made of valid JSON
	} else if len(replies) > 0 {
		text = replies[0]
	}
	if c != nil && text != nil {
		c.send(text)
	}
	for _, then := range after {
		then()
	}
	return text
}
