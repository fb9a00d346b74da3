package devnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, end := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestSlow_delays_a_message_and_holds_nothing_up_at_the_end(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	for _, f := range []Fault{{Kind: Slow, Delay: 30, Count: 1}, {Kind: Slow, Delay: 60_000}} {
		if err := n.Fault(f); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if f.Count == 1 {
			c.call("system_name")
			if took := time.Since(began); took < 30*time.Millisecond {
				t.Errorf("answered after %s", took)
			}
			continue
		}
		if err := c.ws.Write(c.ctx, websocket.MessageText, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	}
}

func TestHalt_stops_the_timer_alone(t *testing.T) {
	n := start(t, Options{BlockTime: 10 * time.Millisecond})
	const ticks = 1000
	if err := n.Fault(Fault{Kind: Halt, Count: ticks}); err != nil {
		t.Fatal(err)
	}
	passed := func() int {
		n.faults.mu.Lock()
		defer n.faults.mu.Unlock()
		return ticks - n.faults.active[Halt].Count
	}
	until(t, "a first tick", func() bool { return passed() > 0 }) // what the timer did before is done
	before, _, _ := n.Head()
	if err := n.NewBlock(); err != nil {
		t.Fatal(err)
	}
	until(t, "some ticks", func() bool { return passed() > 4 })
	if number, _, _ := n.Head(); number != before+1 {
		t.Errorf("head %d, want %d", number, before+1)
	}
	if err := n.Fault(Fault{Kind: Clear}); err != nil {
		t.Fatal(err)
	}
	until(t, "a block", func() bool { number, _, _ := n.Head(); return number > before+1 })
}

func TestPruning_forgets_blocks_with_the_error_of_Substrate(t *testing.T) {
	n := start(t, Options{kept: 3, FinalityLag: 2})
	c := dial(t, n)
	old := strings.Trim(c.call("dev_newBlock"), `"`)
	kept := c.call("dev_newBlock")
	last := c.call("dev_newBlock", map[string]int{"count": 2})
	number := key(t, "System", "Number")
	want(t, "pruned", c.call("state_getStorage", number, old), "4003: Client error: UnknownBlock: State already discarded for "+old+": <nil>")
	want(t, "pruned", c.call("state_getMetadata", old), "4003: Client error: UnknownBlock: State already discarded for "+old+": <nil>")
	want(t, "hash", c.call("chain_getBlockHash", []int{1, 2, 4}), "[null,"+kept+","+last+"]")
	want(t, "kept", c.call("state_getStorage", number, strings.Trim(kept, `"`)), `"0x02000000"`)
	want(t, "genesis", c.call("state_getStorage", number, n.chain.genesis.hash), `"0x00000000"`)
	for range 3 { // dropped branches are forgotten too
		want(t, "fork", c.call("dev_fault", map[string]any{"kind": "fork", "blocks": 2}), "true")
	}
	if len(n.chain.byHash) > 3+3+1 {
		t.Errorf("%d blocks are known", len(n.chain.byHash))
	}
}

func TestConnections_are_bounded(t *testing.T) {
	n := start(t, Options{})
	n.sockets, n.posts = make(chan struct{}, 1), make(chan struct{}, 1)
	dial(t, n).call("system_name")
	if _, r, err := websocket.Dial(t.Context(), n.Address(), nil); err == nil || r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second websocket: %v", err)
	}
	n.posts <- struct{}{}
	if r, err := http.Post(n.HTTP(), "application/json", nil); err != nil || r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second call: %v", err)
	}
}

func TestSubscriptions_are_bounded(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	for range maxSubscriptions {
		c.next(c.call("state_subscribeRuntimeVersion"))
	}
	full := fmt.Sprintf("-32006: Too many subscriptions on the connection: Exceeded max limit of %d", maxSubscriptions)
	want(t, "one more", c.call("chain_subscribeNewHeads"), full)
	want(t, "an extrinsic", c.call("author_submitAndWatchExtrinsic", pay(t, n, 0, 0, 0, 1000)), full)
	want(t, "pool", c.call("author_pendingExtrinsics"), "[]")
	want(t, "another connection", dial(t, n).call("chain_subscribeNewHeads"), fmt.Sprintf(`"dev%d"`, maxSubscriptions+1))
}

func TestMessages_are_bounded(t *testing.T) {
	n := start(t, Options{})
	large := bytes.Repeat([]byte{' '}, maxRequest+1)
	c := dial(t, n)
	if err := c.ws.Write(c.ctx, websocket.MessageText, large); err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("websocket: %v", err)
	}
	if r, err := http.Post(n.HTTP(), "application/json", bytes.NewReader(large)); err != nil || r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("HTTP: %v", err)
	}
	batch := "[" + strings.Repeat("1,", maxBatch) + "1]"
	if _, _, err := decodeRequests([]byte(batch)); err == nil || err.Code != -32010 {
		t.Errorf("batch: %v", err)
	}
	ended := false
	slow := &conn{out: make(chan json.RawMessage, 1), cancel: func() { ended = true }}
	slow.send(nil)
	if ended {
		t.Error("ended before its queue was full")
	}
	if slow.send(nil); !ended {
		t.Error("a reader that does not read is not ended")
	}
}

func TestNode_serves_many_clients_at_once(t *testing.T) {
	const clients = 24
	n := start(t, Options{Neurons: clients, BlockTime: 20 * time.Millisecond})
	var work sync.WaitGroup
	for uid := range clients {
		c, xt := dial(t, n), pay(t, n, uid, 0, 0, 1000)
		work.Go(func() {
			watch := c.call("author_submitAndWatchExtrinsic", xt)
			for !strings.Contains(c.next(watch), "finalized") {
			}
		})
	}
	work.Wait()
	want(t, "paid", dial(t, n).call("state_getStorage", key(t, "System", "Account", payee)), holds(clients*1000))
}

func TestNode_keeps_nothing_of_connections_that_ended(t *testing.T) {
	n := start(t, Options{})
	files := func() int {
		list, _ := os.ReadDir("/proc/self/fd") // where there is none, only goroutines count
		return len(list)
	}
	goroutines, open := goruntime.NumGoroutine(), files()
	for i := range 200 {
		ws, _, err := websocket.Dial(t.Context(), n.Address(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, ws: ws, ctx: t.Context()}
		c.next(c.call("chain_subscribeNewHeads"))
		if i%2 == 0 {
			ws.CloseNow()
		} else {
			ws.Close(websocket.StatusNormalClosure, "")
		}
	}
	until(t, "connections end", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.sockets) == 0 && len(n.subs) == 0
	})
	until(t, "goroutines and files go", func() bool { return goruntime.NumGoroutine() <= goroutines && files() <= open })
}
