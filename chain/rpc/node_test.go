package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// node is a small Substrate node on a real socket.
type node struct {
	*httptest.Server
	end     chan struct{}
	seen    atomic.Int64 // connections
	stopped atomic.Int64 // test_unsubscribe calls
	submits atomic.Int64
	hung    atomic.Int64 // test_hang calls
	status  atomic.Int64 // HTTP status of everything, 0: serve
	dropAt  atomic.Int64 // the message of each connection at which the socket is dropped, 0: never
	mute    atomic.Bool  // reads and answers nothing, pongs included
	deaf    atomic.Bool  // answers no call but the node's head and subscriptions
	text    atomic.Value // string: what every test_text answers, raw
	flood   atomic.Int64 // notifications after a test_subscribe
}

func newNode(t *testing.T) *node {
	n := &node{end: make(chan struct{})}
	n.text.Store("")
	n.Server = httptest.NewServer(http.HandlerFunc(n.serve))
	t.Cleanup(func() { close(n.end); n.CloseClientConnections(); n.Server.Close() })
	return n
}

func (n *node) ws() string { return "ws" + strings.TrimPrefix(n.URL, "http") }

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	if code := n.status.Load(); code != 0 {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(int(code))
		return
	}
	if r.Method == http.MethodPost {
		b, _ := io.ReadAll(r.Body)
		if hang := strings.Contains(string(b), "test_hang"); hang || n.deaf.Load() && !strings.Contains(string(b), "chain_") {
			if hang {
				n.hung.Add(1)
			}
			select {
			case <-n.end:
			case <-r.Context().Done():
			}
			return
		}
		for _, m := range n.answer(b) {
			io.WriteString(w, m)
		}
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	n.seen.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-n.end:
			cancel()
		case <-ctx.Done():
		}
	}()
	for i := int64(1); ; i++ {
		if n.mute.Load() {
			<-ctx.Done()
			return
		}
		_, b, err := c.Read(ctx)
		if err != nil || i == n.dropAt.Load() {
			return
		}
		for _, m := range n.answer(b) {
			if c.Write(ctx, websocket.MessageText, []byte(m)) != nil {
				return
			}
		}
	}
}

func (n *node) answer(b []byte) []string {
	var q struct {
		ID     uint64            `json:"id"`
		Method string            `json:"method"`
		Params []json.RawMessage `json:"params"`
	}
	if json.Unmarshal(b, &q) != nil {
		return nil
	}
	ok := func(v string) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, q.ID, v) }
	switch {
	case q.Method == "chain_getHeader":
		return []string{ok(`{"number":"0x10"}`)}
	case q.Method == "chain_subscribeNewHeads":
		return []string{ok(`"h"`), `{"jsonrpc":"2.0","method":"chain_newHead","params":{"subscription":"h","result":{"number":"0x11"}}}`}
	case n.deaf.Load():
		return nil
	case q.Method == "test_echo":
		return []string{ok(string(q.Params[0]))}
	case q.Method == "test_refuse":
		return []string{fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":%s,"message":"no","data":"why"}}`, q.ID, q.Params[0])}
	case q.Method == "test_text":
		return []string{strings.ReplaceAll(n.text.Load().(string), "ID", fmt.Sprint(q.ID))}
	case q.Method == "author_submitExtrinsic":
		n.submits.Add(1)
		return nil
	case q.Method == "test_subscribe":
		out := []string{ok(`7`)}
		for i := range n.flood.Load() {
			out = append(out, fmt.Sprintf(`{"jsonrpc":"2.0","method":"x","params":{"subscription":7,"result":%d}}`, i))
		}
		return out
	case q.Method == "test_unsubscribe":
		n.stopped.Add(1)
	case q.Method == "test_hang":
		n.hung.Add(1)
		return nil
	case q.Method == "test_silent":
		return nil
	}
	return []string{ok("true")}
}

func quick() pace {
	return pace{timeout: 5 * time.Second, ping: 5 * time.Second, stale: time.Minute, dial: time.Second, poll: 5 * time.Millisecond, least: time.Millisecond, most: 5 * time.Millisecond}
}

func connect(t *testing.T, p pace, urls ...string) *Client {
	t.Helper()
	return connectWith(t, p, Options{Endpoints: urls})
}

func connectWith(t *testing.T, p pace, o Options) *Client {
	t.Helper()
	c, err := dial(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.Now().Add(5 * time.Second)
	for tick := time.NewTicker(time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("never: %s", what)
		}
	}
}
