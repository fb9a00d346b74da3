package rpc

import (
	"errors"
	"strconv"
	"testing"
)

func TestSubscription_gives_what_comes_in_order_and_ends_with_its_connection(t *testing.T) {
	n := newNode(t)
	n.flood.Store(20)
	c := connect(t, quick(), n.ws())
	s, err := c.Subscribe(t.Context(), "test_subscribe", "test_unsubscribe")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if b := <-s.C(); string(b) != strconv.Itoa(i) {
			t.Errorf("%d: %s", i, b)
		}
	}
	c.link.lose(errors.New("pulled"))
	if _, open := <-s.C(); open || !errors.Is(s.Err(), ErrLost) {
		t.Errorf("%v", s.Err())
	}
}

func TestSubscription_of_a_slow_consumer_ends_with_an_error(t *testing.T) {
	n := newNode(t)
	n.flood.Store(maxQueued + 1)
	c := connect(t, quick(), n.ws())
	s, err := c.Subscribe(t.Context(), "test_subscribe", "test_unsubscribe")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "its end", func() bool { return s.Err() != nil })
	got := 0
	for range s.C() {
		got++
	}
	if !errors.Is(s.Err(), ErrSlow) || got != maxQueued {
		t.Errorf("%d, %v", got, s.Err())
	}
}

func TestSubscription_Close_tells_the_node_once(t *testing.T) {
	n := newNode(t)
	c := connect(t, quick(), n.ws())
	s, err := c.Subscribe(t.Context(), "test_subscribe", "test_unsubscribe")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	if _, open := <-s.C(); open || s.Err() != nil {
		t.Errorf("%v", s.Err())
	}
	until(t, "the node's word", func() bool { return n.stopped.Load() > 0 })
	if err := c.Call(t.Context(), nil, "x"); err != nil || n.stopped.Load() != 1 { // a second one would have come before this call
		t.Errorf("%v, told %d times", err, n.stopped.Load())
	}
	if _, err := connect(t, quick(), n.URL).Subscribe(t.Context(), "a", "b"); !errors.Is(err, ErrNoSubscriptions) {
		t.Errorf("%v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"jsonrpc":"2.0","id":1,"result":null}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}`,
		`{"jsonrpc":"2.0","method":"x","params":{"subscription":"a","result":{"number":"0x1"}}}`, `{"jsonrpc":"2.0","id":-1,"result":[]}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			if !errors.Is(err, errReply) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		if r.result == nil && r.err == nil {
			t.Error("neither result nor error")
		}
		_, _ = head(r.result)
	})
}
