package rpc

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestClient_answers_many_calls_at_once_over_either_transport(t *testing.T) {
	n := newNode(t)
	for _, url := range []string{n.ws(), n.URL} {
		c := connect(t, quick(), url)
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				var got int
				if err := c.Call(t.Context(), &got, "test_echo", i); err != nil || got != i {
					t.Errorf("%d: %d, %v", i, got, err)
				}
			})
		}
		all.Wait()
		if c.Endpoint() != url || c.Generation() != 1 {
			t.Errorf("at %s, generation %d", c.Endpoint(), c.Generation())
		}
	}
}

func TestClient_gives_the_nodes_own_refusal(t *testing.T) {
	n := newNode(t)
	for _, url := range []string{n.ws(), n.URL} {
		c := connect(t, quick(), url)
		var refused *Error
		var busy *BusyError
		if err := c.Call(t.Context(), nil, "test_refuse", 1010); !errors.As(err, &refused) || refused.Code != 1010 || string(refused.Data) != `"why"` {
			t.Errorf("%v", err)
		}
		if err := c.Call(t.Context(), nil, "test_refuse", -32999); !errors.As(err, &busy) || busy.Refusal.Code != -32999 {
			t.Errorf("%v", err)
		}
	}
}

func TestClient_reads_through_a_socket_dropped_at_each_message(t *testing.T) {
	for at := int64(1); at <= 6; at++ {
		n, spare := newNode(t), newNode(t)
		n.dropAt.Store(at)
		c := connect(t, quick(), n.ws(), spare.ws())
		for i := range 10 {
			var got int
			if err := c.Call(t.Context(), &got, "test_echo", i); err != nil || got != i {
				t.Errorf("dropped at message %d, call %d: %d, %v", at, i, got, err)
			}
		}
		if c.Endpoint() != spare.ws() {
			t.Errorf("dropped at message %d, still at the first", at)
		}
	}
}

func TestClient_never_sends_a_submit_twice(t *testing.T) {
	n := newNode(t)
	c := connect(t, quick(), n.ws())
	got := make(chan error, 1)
	go func() { got <- c.Call(t.Context(), nil, "author_submitExtrinsic", "0x00") }()
	until(t, "the submit arrives", func() bool { return n.submits.Load() == 1 })
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	l.lose(errors.New("pulled"))
	if err := <-got; !errors.Is(err, ErrLost) {
		t.Errorf("%v", err)
	}
	if err := c.Call(t.Context(), nil, "x"); err != nil || n.submits.Load() != 1 || c.Generation() != 2 {
		t.Errorf("%v, %d submits, generation %d", err, n.submits.Load(), c.Generation())
	}
}

func TestClient_leaves_a_half_open_connection_by_its_pings(t *testing.T) {
	n, spare := newNode(t), newNode(t)
	p := quick()
	p.ping = 30 * time.Millisecond
	c := connect(t, p, n.ws(), spare.ws())
	n.mute.Store(true)
	_ = c.Call(t.Context(), nil, "test_echo", 1) // the node then reads no more
	until(t, "the other endpoint", func() bool { return c.Endpoint() == spare.ws() })
}

func TestClient_leaves_a_node_that_answers_three_calls_late(t *testing.T) {
	n, spare := newNode(t), newNode(t)
	for _, pair := range [][2]string{{n.ws(), spare.ws()}, {n.URL, spare.URL}} {
		p := quick()
		p.timeout, p.poll = 60*time.Millisecond, time.Minute
		n.deaf.Store(false)
		c := connect(t, p, pair[0], pair[1])
		if err := c.Call(t.Context(), nil, "x"); err != nil { // the heads are subscribed to
			t.Error(err)
		}
		n.deaf.Store(true)
		for range maxFailures {
			if err := c.Call(t.Context(), nil, "test_echo", 1); !errors.Is(err, context.DeadlineExceeded) || c.Endpoint() != pair[0] && c.Generation() == 1 {
				t.Errorf("%v", err)
			}
		}
		until(t, "the other endpoint", func() bool { return c.Endpoint() == pair[1] })
	}
}

func TestClient_leaves_a_node_without_new_blocks_and_says_so(t *testing.T) {
	n, spare := newNode(t), newNode(t)
	for _, pair := range [][2]string{{n.ws(), spare.ws()}, {n.URL, spare.URL}} {
		p := quick()
		p.stale = 50 * time.Millisecond
		told := make(chan string, 100)
		c := connectWith(t, p, Options{Endpoints: pair[:], OnStale: func(e string, _ time.Duration) {
			select {
			case told <- e:
			default:
			}
		}})
		if e := <-told; e != pair[0] {
			t.Errorf("%s", e)
		}
		until(t, "another connection", func() bool { return c.Generation() > 1 })
		if number, at := c.LastBlock(); number < 0x10 || at.IsZero() {
			t.Errorf("block %d at %s", number, at)
		}
	}
}

func TestClient_honours_HTTP_429_and_goes_elsewhere(t *testing.T) {
	n, spare := newNode(t), newNode(t)
	c := connect(t, quick(), n.URL, spare.URL)
	n.status.Store(http.StatusTooManyRequests)
	if err := c.Call(t.Context(), nil, "x"); err != nil || c.Endpoint() != spare.URL {
		t.Errorf("%v at %s", err, c.Endpoint())
	}
	var busy *BusyError
	for _, url := range []string{n.URL, n.ws()} {
		if _, err := dial(t.Context(), Options{Endpoints: []string{url}}, quick()); !errors.As(err, &busy) || busy.RetryAfter != 7*time.Second {
			t.Errorf("%v", err)
		}
	}
}

func TestClient_errors_name_every_endpoint_and_no_secret(t *testing.T) {
	n := newNode(t)
	n.status.Store(500)
	host := strings.TrimPrefix(n.URL, "http://")
	_, err := Dial(t.Context(), Options{Endpoints: []string{"ws://user:sesame@" + host + "/sesame?key=sesame", "http://user:sesame@" + host + "/sesame?key=sesame", "http://u:sesame@127.0.0.1:1/?sesame", "ws://u:sesame@127.0.0.1:1/?sesame"}})
	if err == nil || strings.Contains(err.Error(), "sesame") || strings.Count(err.Error(), host) < 2 || strings.Count(err.Error(), "//127.0.0.1:1:") != 2 {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"sesame:%zz", "ftp://sesame:sesame@x/sesame", "ws:///sesame", "http://[sesame"} {
		if _, err := Dial(t.Context(), Options{Endpoints: []string{bad}}); err == nil || strings.Contains(err.Error(), "sesame@") || strings.Contains(err.Error(), "/sesame") || strings.Contains(err.Error(), "[sesame") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, o := range []Options{{}, {Endpoints: make([]string, 17)}, {Endpoints: []string{n.URL}, Timeout: time.Hour}, {Endpoints: []string{n.URL}, Ping: 1}, {Endpoints: []string{n.URL}, Stale: -1}} {
		if _, err := Dial(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestClient_survives_garbage(t *testing.T) {
	n := newNode(t)
	for _, url := range []string{n.ws(), n.URL} {
		c := connect(t, quick(), url)
		for _, text := range []string{"", "{", "[]", "null", `{"jsonrpc":"1.0","id":ID,"result":1}`, `{"jsonrpc":"2.0","id":ID}`, `{"jsonrpc":"2.0","method":"x"}`} {
			n.text.Store(text)
			if err := c.Call(t.Context(), nil, "test_text"); !errors.Is(err, ErrLost) {
				t.Errorf("%q: %v", text, err)
			}
			if err := c.Call(t.Context(), nil, "x"); err != nil {
				t.Errorf("after %q: %v", text, err)
			}
		}
	}
	c := connect(t, quick(), n.ws())
	n.text.Store(`{"jsonrpc":"2.0","id":99999,"result":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { until(t, "the stray is counted", func() bool { return c.Ignored() > 0 }); cancel() }()
	if err := c.Call(ctx, nil, "test_text"); !errors.Is(err, context.Canceled) || c.Generation() != 1 {
		t.Errorf("%v, generation %d", err, c.Generation())
	}
}

func TestClient_frees_the_place_of_a_cancelled_call(t *testing.T) {
	n := newNode(t)
	c := connect(t, quick(), n.ws())
	s := c.link.(*socket)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 900 {
		all.Go(func() { _ = c.Call(ctx, nil, "test_silent") })
	}
	count := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.pending) }
	until(t, "900 wait", func() bool { return count() >= 900 })
	cancel()
	all.Wait()
	until(t, "none waits", func() bool { return count() == 0 })
	var err error
	until(t, "the bound is met", func() bool {
		_, err = s.enter(&pending{answer: make(chan reply, 1)}, "test_silent", nil)
		return err != nil
	})
	if !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
}

func TestClient_Close_ends_calls_in_flight(t *testing.T) {
	n := newNode(t)
	for _, url := range []string{n.ws(), n.URL} {
		p := quick()
		p.poll = time.Minute
		c := connect(t, p, url)
		got := make(chan error, 1)
		go func() { got <- c.Call(t.Context(), nil, "test_hang") }()
		until(t, "it is asked", func() bool { return n.hung.Load() == 1 })
		n.hung.Store(0)
		c.Close()
		if err := <-got; !errors.Is(err, ErrClosed) || errors.Is(err, ErrLost) {
			t.Errorf("%v", err)
		}
		if err := c.Call(t.Context(), nil, "x"); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}

func TestClient_returns_after_its_only_node_does(t *testing.T) {
	n := newNode(t)
	c := connect(t, quick(), n.ws())
	n.status.Store(503)
	c.link.lose(errors.New("pulled"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := c.Call(ctx, nil, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	n.status.Store(0)
	if err := c.Call(t.Context(), nil, "x"); err != nil {
		t.Error(err)
	}
}

func TestClient_leaks_nothing_over_1000_connections(t *testing.T) {
	n := newNode(t)
	p := quick()
	p.least, p.most = time.Microsecond, time.Microsecond
	c := connect(t, p, n.ws())
	fds := func() int { l, _ := os.ReadDir("/proc/self/fd"); return len(l) }
	goroutines, files := runtime.NumGoroutine(), fds()
	for i := range uint64(1000) {
		c.mu.Lock()
		l := c.link
		c.mu.Unlock()
		if l != nil {
			l.lose(errors.New("pulled"))
		}
		until(t, "the next connection", func() bool { return c.Generation() > i+1 })
	}
	until(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	until(t, "files are back", func() bool { return fds() <= files+4 })
}

func TestBackoff_doubles_within_its_bounds(t *testing.T) {
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 20, 20} {
		if d := backoff(n, time.Second, 20*time.Second, 0); d != want*time.Second {
			t.Errorf("%d: %s", n, d)
		}
		if d := backoff(n, time.Second, 20*time.Second, 1); d != want*time.Second/2 {
			t.Errorf("%d: %s", n, d)
		}
	}
	if d := backoff(1000, time.Second, 20*time.Second, 0); d != 20*time.Second {
		t.Errorf("%s", d)
	}
}
