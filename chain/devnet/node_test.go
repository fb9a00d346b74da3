package devnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vision19/vision/chain/wallet"
)

func start(t *testing.T, o Options) *Node {
	t.Helper()
	if o.rules == nil {
		o.rules = fakeRules
	}
	o.Neurons = max(o.Neurons, 2)
	n, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// client is a websocket's other end.
type client struct {
	t      *testing.T
	ws     *websocket.Conn
	ctx    context.Context
	id     int
	queued []message
}

type message struct {
	Version string          `json:"jsonrpc"`
	ID      *int            `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *rpcError       `json:"error"`
	Method  string          `json:"method"`
	Params  struct {
		Subscription string          `json:"subscription"`
		Result       json.RawMessage `json:"result"`
	} `json:"params"`
}

func dial(t *testing.T, n *Node) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, n.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(16 << 20)
	t.Cleanup(func() { ws.CloseNow() })
	return &client{t: t, ws: ws, ctx: ctx}
}

func (c *client) read() (m message, err error) {
	_, b, err := c.ws.Read(c.ctx)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(b, &m)
}

// call answers the result's text, or the error as "CODE: MESSAGE: DATA".
func (c *client) call(method string, params ...any) string {
	c.t.Helper()
	c.id++
	b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	if err := c.ws.Write(c.ctx, websocket.MessageText, b); err != nil {
		c.t.Fatal(err)
	}
	for {
		m, err := c.read()
		if err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		if m.ID == nil {
			c.queued = append(c.queued, m)
			continue
		}
		if *m.ID != c.id || m.Version != "2.0" {
			c.t.Fatalf("%s: reply %+v", method, m)
		}
		if m.Error != nil {
			return fmt.Sprintf("%d: %s: %v", m.Error.Code, m.Error.Message, m.Error.Data)
		}
		return string(m.Result)
	}
}

// next is the next message of a subscription.
func (c *client) next(id string) string {
	c.t.Helper()
	id = strings.Trim(id, `"`)
	for i, m := range c.queued {
		if m.Params.Subscription == id {
			c.queued = append(c.queued[:i:i], c.queued[i+1:]...)
			return string(m.Params.Result)
		}
	}
	for {
		m, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if m.Params.Subscription == id {
			return string(m.Params.Result)
		}
		c.queued = append(c.queued, m)
	}
}

func want(t *testing.T, what, have, want string) {
	t.Helper()
	if have != want {
		t.Errorf("%s: %s, want %s", what, have, want)
	}
}

func TestNode_answers_what_a_client_of_Substrate_asks(t *testing.T) {
	n := start(t, Options{Clock: func() time.Time { return time.Unix(1_800_000_000, 5) }})
	c := dial(t, n)
	genesis := c.call("chain_getBlockHash", 0)
	head := c.call("dev_newBlock", map[string]int{"count": 2})
	at := strings.Trim(head, `"`)
	number := hexed([]byte("number"))
	for _, tt := range []struct {
		method string
		params []any
		want   string
	}{
		{"chain_getBlockHash", []any{"0x2"}, head},
		{"chain_getBlockHash", []any{[]any{0, 9}}, "[" + genesis + ",null]"},
		{"chain_getBlockHash", []any{9}, "null"},
		{"chain_getFinalizedHead", nil, genesis},
		{"state_getRuntimeVersion", nil, `{"specName":"fake","implName":"fake","authoringVersion":0,"specVersion":1,"implVersion":0,"apis":[["0x0100000000000000",2]],"transactionVersion":0,"stateVersion":0}`},
		{"state_getMetadata", nil, `"0x6d0e01"`},
		{"state_getStorage", []any{number}, `"0x02000000"`},
		{"state_getStorage", []any{number, strings.Trim(genesis, `"`)}, "null"},
		{"state_getStorageSize", []any{number, at}, "4"},
		{"state_getStorageHash", []any{number}, `"` + sum([]byte{2, 0, 0, 0}).String() + `"`},
		{"state_getStorage", []any{number, "0x" + strings.Repeat("11", 32)}, "4003: Client error: UnknownBlock: State already discarded for 0x" + strings.Repeat("11", 32) + ", or no such block: <nil>"},
		{"state_getKeysPaged", []any{hexed([]byte("neuron")), 1, hexed([]byte("neuron"))}, `["` + hexed([]byte("neuron0000")) + `"]`},
		{"state_getKeysPaged", []any{hexed([]byte("neuron")), 5, hexed([]byte("neuron0000"))}, `["` + hexed([]byte("neuron0001")) + `"]`},
		{"state_getKeysPaged", []any{"0x", 1001}, "4002: count exceeds maximum value. value: 1001, max: 1000: <nil>"},
		{"state_queryStorageAt", []any{[]string{number, "0x00"}, at}, `[{"block":` + head + `,"changes":[["` + number + `","0x02000000"],["0x00",null]]}]`},
		{"state_call", []any{"AccountNonceApi_account_nonce", "0x07"}, `"0x00000000"`},
		{"state_call", []any{"Nothing", "0x"}, "4003: Client error: Execution failed: no function Nothing: <nil>"},
		{"system_chainType", nil, `"Development"`},
		{"system_accountNextIndex", []any{wallet.Address([32]byte{7})}, "0"},
		{"system_health", nil, `{"isSyncing":false,"peers":0,"shouldHavePeers":false}`},
		{"payment_queryInfo", []any{"0x070000"}, `{"class":"normal","partialFee":"7","weight":{"proof_size":2,"ref_time":1}}`},
		{"author_pendingExtrinsics", nil, "[]"},
		{"chain_getHeader", []any{"0x" + strings.Repeat("11", 32)}, "null"},
		{"state_getStorage", []any{5}, "-32602: Invalid params: parameter 1: 0x and hexadecimal digits are wanted"},
		{"state_getStorage", []any{"11"}, "-32602: Invalid params: parameter 1: 0x and hexadecimal digits are wanted"},
		{"nothing", nil, "-32601: Method not found: <nil>"},
		{"dev_newBlock", []any{map[string]int{"count": 0}}, "-32602: Invalid params: parameter 1: count is 1 to 4096"},
		{"dev_fault", []any{map[string]string{"kind": "x"}}, `-32602: Invalid params: no such fault: kind "x"`},
	} {
		want(t, fmt.Sprint(tt.method, tt.params), c.call(tt.method, tt.params...), tt.want)
	}
	if _, _, when := n.Head(); when.Unix() != 1_800_000_024 {
		t.Errorf("time %v", when)
	}
	round := c.call("state_getStorage", hexed([]byte("round")))
	if !strings.HasPrefix(round, `"0x`) {
		t.Errorf("round %s", round)
	}
	for name := range methods {
		if !strings.Contains(c.call("rpc_methods"), `"`+name+`"`) {
			t.Errorf("rpc_methods leaves out %s", name)
		}
	}
}

func TestNode_takes_batches_by_HTTP_and_refuses_what_is_no_JSON_RPC(t *testing.T) {
	n := start(t, Options{})
	for _, tt := range []struct{ kind, body, want string }{
		{"application/json", `[{"jsonrpc":"2.0","id":"a","method":"system_name"},{"jsonrpc":"2.0","method":"system_name"},4]`,
			`[{"jsonrpc":"2.0","id":"a","result":"vision-devnet"},{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}]`},
		{"application/json", `{`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`},
		{"application/json", `[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":"a batch is an array of at least one call"}}`},
		{"application/json", `{"id":1,"method":"system_name"}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}`},
		{"application/json", `{"jsonrpc":"2.0","id":1,"method":"chain_subscribeNewHeads"}`,
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found","data":"subscriptions need a websocket"}}`},
		{"application/json", `{"jsonrpc":"2.0","method":"system_name"}`, ``},
		{"text/plain", `{}`, "Content-Type must be application/json\n"},
	} {
		r, err := http.Post(n.HTTP(), tt.kind, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		want(t, tt.body, string(b), tt.want)
	}
}

func TestPool_refuses_with_the_codes_of_Substrate(t *testing.T) {
	c := dial(t, start(t, Options{}))
	good := hexed(xt(1, 0, 5, "good"))
	for _, tt := range []struct{ xt, want string }{
		{hexed(xt(0xff, 0, 0, "")), "1010: Invalid Transaction: Inability to pay some fees (e.g. account balance too low)"},
		{hexed(xt(0xfe, 0, 0, "")), "1010: Invalid Transaction: Transaction has a bad signature"},
		{hexed(xt(0xfe, 0, 0, "")), "1012: Transaction is temporarily banned: <nil>"},
		{hexed(xt(0xfd, 0, 0, "")), "1010: Invalid Transaction: Custom error: 6"},
		{"0x00", "1002: Verification Error: too short: <nil>"},
		{good, `"` + sum(xt(1, 0, 5, "good")).String() + `"`},
		{good, "1013: Transaction is already imported: <nil>"},
		{hexed(xt(1, 0, 5, "same")), "1014: Priority is too low: (5 vs 5): The transaction has too low priority to replace another transaction already in the pool."},
		{hexed(xt(1, 0, 6, "more")), `"` + sum(xt(1, 0, 6, "more")).String() + `"`},
		{hexed(xt(1, 1, 6, "next")), `"` + sum(xt(1, 1, 6, "next")).String() + `"`},
	} {
		want(t, tt.xt, c.call("author_submitExtrinsic", tt.xt), tt.want)
	}
	c.call("dev_newBlock")
	want(t, "state", c.call("state_getStorage", "0x7401"), `"`+hexed([]byte("next"))+`"`)
	want(t, "nonce", c.call("author_submitExtrinsic", hexed(xt(1, 0, 9, "old"))), "1010: Invalid Transaction: Transaction is outdated")
	want(t, "included", c.call("author_submitExtrinsic", hexed(xt(1, 0, 6, "more"))), "1012: Transaction is temporarily banned: <nil>")
	want(t, "pool", c.call("author_pendingExtrinsics"), "[]")
}

func TestSubscriptions_tell_heads_storage_versions_and_the_way_of_an_extrinsic(t *testing.T) {
	c := dial(t, start(t, Options{}))
	key := "0x7401"
	heads, final := c.call("chain_subscribeNewHeads"), c.call("chain_subscribeFinalizedHeads")
	storage, version := c.call("state_subscribeStorage", []string{key}), c.call("state_subscribeRuntimeVersion")
	for _, id := range []string{heads, final} {
		if m := c.next(id); !strings.Contains(m, `"number":"0x0"`) {
			t.Errorf("first %s", m)
		}
	}
	if m := c.next(storage); !strings.Contains(m, `[["0x7401",null]]`) {
		t.Errorf("first %s", m)
	}
	c.next(version)
	watch := c.call("author_submitAndWatchExtrinsic", hexed(xt(1, 0, 0, "a")))
	want(t, "status", c.next(watch), `"ready"`)
	one := c.call("dev_newBlock")
	want(t, "status", c.next(watch), `{"inBlock":`+one+`}`)
	want(t, "storage", c.next(storage), `{"block":`+one+`,"changes":[["0x7401","0x61"]]}`)
	if m := c.next(heads); !strings.Contains(m, `"number":"0x1"`) {
		t.Error(m)
	}
	c.call("dev_fault", map[string]string{"kind": "upgrade"})
	c.call("dev_newBlock", map[string]int{"count": 2})
	want(t, "status", c.next(watch), `{"finalized":`+one+`}`)
	if m := c.next(version); !strings.Contains(m, `"specVersion":2`) {
		t.Error(m)
	}
	if m := c.next(final); !strings.Contains(m, `"number":"0x1"`) {
		t.Error(m)
	}
	want(t, "unsubscribe", c.call("chain_unsubscribeNewHeads", strings.Trim(heads, `"`)), "true")
	want(t, "again", c.call("chain_unsubscribeNewHeads", strings.Trim(heads, `"`)), "false")
}

func TestFork_replaces_blocks_and_keeps_or_loses_what_they_held(t *testing.T) {
	for _, lost := range []bool{false, true} {
		c := dial(t, start(t, Options{FinalityLag: 3}))
		c.call("dev_newBlock")
		watch := c.call("author_submitAndWatchExtrinsic", hexed(xt(1, 0, 0, "a")))
		c.next(watch)
		old := c.call("dev_newBlock")
		c.next(watch)
		heads := c.call("chain_subscribeNewHeads")
		c.next(heads)
		want(t, "fork", c.call("dev_fault", map[string]any{"kind": "fork", "blocks": 1, "lost": lost}), "true")
		now := c.call("chain_getBlockHash", 2)
		if now == old || !strings.Contains(c.next(heads), `"number":"0x2"`) || !strings.Contains(c.next(heads), `"number":"0x3"`) {
			t.Errorf("the branch is not told: %s, %s", old, now)
		}
		want(t, "status", c.next(watch), `{"retracted":`+old+`}`)
		value := c.call("state_getStorage", "0x7401")
		if lost {
			want(t, "lost", value, "null")
			want(t, "resubmitted", c.call("author_submitExtrinsic", hexed(xt(1, 0, 0, "a"))), `"`+sum(xt(1, 0, 0, "a")).String()+`"`)
		} else {
			want(t, "kept", value, `"0x61"`)
			want(t, "status", c.next(watch), `{"inBlock":`+now+`}`)
		}
		want(t, "old branch", c.call("state_getStorage", "0x7401", strings.Trim(old, `"`)), `"0x61"`)
		c.call("dev_newBlock")
		if m := c.call("dev_fault", map[string]any{"kind": "fork", "blocks": 4}); !strings.Contains(m, "is finalized: 1 to 3 can go") {
			t.Error(m)
		}
	}
}

func TestFaults_refuse_lose_drop_and_make_busy(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	six := byte(6)
	set := func(f Fault) {
		t.Helper()
		if err := n.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	set(Fault{Kind: Refuse, Custom: &six, Count: 1})
	want(t, "refuse", c.call("author_submitExtrinsic", "0x010000"), "1010: Invalid Transaction: Custom error: 6")
	set(Fault{Kind: Refuse, Code: -32000})
	want(t, "refuse", c.call("author_submitExtrinsic", "0x010000"), "-32000: refused by a fault of this devnet: <nil>")
	set(Fault{Kind: Clear})
	set(Fault{Kind: Lose, Count: 1})
	want(t, "lose", c.call("author_submitExtrinsic", "0x010000"), `"`+sum([]byte{1, 0, 0}).String()+`"`)
	want(t, "pool", c.call("author_pendingExtrinsics"), "[]")
	set(Fault{Kind: Busy, RetryAfter: 9, Count: 2})
	if _, r, err := websocket.Dial(t.Context(), n.Address(), nil); err == nil || r.StatusCode != 429 || r.Header.Get("Retry-After") != "9" {
		t.Errorf("upgrade: %v", err)
	}
	if r, err := http.Post(n.HTTP(), "application/json", nil); err != nil || r.StatusCode != 429 {
		t.Errorf("POST: %v", err)
	}
	set(Fault{Kind: Drop, Count: 1, After: 2})
	d := dial(t, n)
	d.call("system_name")
	if err := d.ws.Write(d.ctx, websocket.MessageText, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.read(); websocket.CloseStatus(err) != -1 || err == nil {
		t.Errorf("drop: %v", err)
	}
	if err := n.Fault(Fault{Kind: Refuse}); !errors.Is(err, ErrFault) {
		t.Errorf("refuse without a code: %v", err)
	}
}

func TestStall_answers_nothing_until_it_is_cleared(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	c.call("system_name")
	if err := n.Fault(Fault{Kind: Stall}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() { answered <- c.call("system_name") }()
	if err := n.NewBlock(); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-answered:
		t.Fatalf("answered %s", a)
	default:
	}
	if err := n.Fault(Fault{Kind: Clear}); err != nil {
		t.Fatal(err)
	}
	want(t, "after", <-answered, `"vision-devnet"`)
}

func TestTimer_makes_blocks(t *testing.T) {
	c := dial(t, start(t, Options{BlockTime: 10 * time.Millisecond}))
	heads := c.call("chain_subscribeNewHeads")
	for !strings.Contains(c.next(heads), `"number":"0x3"`) {
	}
}

func TestRestart_goes_on_with_the_chain_and_its_wallets(t *testing.T) {
	dir, wallets := t.TempDir(), t.TempDir()
	o := Options{State: dir, WalletPath: wallets}
	n := start(t, o)
	c := dial(t, n)
	genesis := c.call("chain_getBlockHash", 0)
	c.call("author_submitExtrinsic", hexed(xt(1, 0, 0, "a")))
	head := c.call("dev_newBlock", map[string]int{"count": 5})
	if _, err := Start(t.Context(), Options{State: dir, rules: fakeRules}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second node: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, o)
	c = dial(t, again)
	want(t, "genesis", c.call("chain_getBlockHash", 0), genesis)
	want(t, "head", c.call("chain_getBlockHash"), head)
	want(t, "state", c.call("state_getStorage", "0x7401"), `"0x61"`)
	c.call("dev_newBlock")
	if number, _, _ := again.Head(); number != 6 {
		t.Errorf("head %d", number)
	}
	for _, name := range []string{"dev0", "dev1", "default"} {
		w, err := wallet.Open(wallets, name, "default", nil)
		if err != nil {
			t.Fatal(err)
		}
		uid := 0
		if name == "dev1" {
			uid = 1
		}
		if hot, cold, _ := again.Keys(uid); w.Hotkey.Public() != hot.Public() || w.Coldkey != cold.Public() {
			t.Errorf("%s is another key", name)
		}
	}
	if _, err := Start(t.Context(), Options{WalletPath: wallets, rules: fakeRules}); !errors.Is(err, wallet.ErrExists) {
		t.Errorf("another chain's wallets: %v", err)
	}
}

func TestStart_refuses_a_damaged_state_by_name(t *testing.T) {
	dir := t.TempDir()
	n := start(t, Options{State: dir})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, stateName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"cut": b[:len(b)-1], "empty": nil, "flipped": bytes.Replace(b, []byte("neuron0001"), []byte("neuron0002"), 1)} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), Options{State: dir, rules: fakeRules})
		if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if have, _ := os.ReadFile(path); !bytes.Equal(have, damaged) {
			t.Errorf("%s: the file was replaced", name)
		}
	}
}

func FuzzDecodeRequests(f *testing.F) {
	for _, s := range []string{`{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}`, `[]`, `[1,{"jsonrpc":"2.0"}]`, `{"params":{}}`, ``, ` `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		calls, _, err := decodeRequests(b)
		if (err == nil) == (len(calls) == 0) || len(calls) > maxBatch {
			t.Errorf("%d calls, %v", len(calls), err)
		}
		for _, c := range calls {
			if c.err == nil && !json.Valid(answer(c.ID, nil, nil)) {
				t.Errorf("id %q", c.ID)
			}
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	b := &block{}
	b.seal((*tree)(nil).put("a", []byte("b")).put("c", nil))
	s := &saved{neurons: 1, genesis: b, head: b}
	text := s.encode()
	f.Add(text[len(stateMark) : len(text)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeBody(body)
		if err == nil {
			b := s.encode()
			if again, err := decodeState(b); err != nil || again.head.hash != s.head.hash || !bytes.Equal(again.encode(), b) {
				t.Errorf("it does not read what it writes: %v", err)
			}
		}
		if (err == nil) == (s == nil) {
			t.Error("neither a state nor an error")
		}
	})
}
