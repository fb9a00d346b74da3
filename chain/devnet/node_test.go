package devnet

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
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
	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
	"github.com/vision19/vision/chain/wallet"
)

func TestNode_answers_what_a_client_of_Substrate_asks(t *testing.T) {
	n := start(t, Options{Clock: func() time.Time { return time.Unix(1_800_000_000, 5) }})
	c := dial(t, n)
	genesis := c.call("chain_getBlockHash", 0)
	head := c.call("dev_newBlock", map[string]int{"count": 2})
	at := strings.Trim(head, `"`)
	number, uids := key(t, "System", "Number"), key(t, "SubtensorModule", "Keys", 1)
	hot, cold, _ := n.Keys(1)
	hotkey, coldkey := hot.Public(), cold.Public()
	for _, tt := range []struct {
		method string
		params []any
		want   string
	}{
		{"chain_getBlockHash", []any{"0x2"}, head},
		{"chain_getBlockHash", []any{[]any{0, 9}}, "[" + genesis + ",null]"},
		{"chain_getBlockHash", []any{9}, "null"},
		{"chain_getFinalizedHead", nil, genesis},
		{"state_getStorage", []any{number}, `"0x02000000"`},
		{"state_getStorage", []any{number, strings.Trim(genesis, `"`)}, `"0x00000000"`},
		{"state_getStorageSize", []any{number, at}, "4"},
		{"state_getStorageHash", []any{number}, `"` + sum([]byte{2, 0, 0, 0}).String() + `"`},
		{"state_getStorage", []any{number, "0x" + strings.Repeat("11", 32)}, "4003: Client error: UnknownBlock: State already discarded for 0x" + strings.Repeat("11", 32) + ": <nil>"},
		{"state_getKeysPaged", []any{uids, 1, uids}, `["` + uids + `0000"]`},
		{"state_getKeysPaged", []any{uids, 5, uids + "0000"}, `["` + uids + `0100"]`},
		{"state_getKeys", []any{uids}, `["` + uids + `0000","` + uids + `0100"]`},
		{"state_getStorage", []any{uids + "0100"}, `"` + hexed(hotkey[:]) + `"`},
		{"state_getKeysPaged", []any{"0x", 1001}, "4002: count exceeds maximum value. value: 1001, max: 1000: <nil>"},
		{"state_queryStorageAt", []any{[]string{number, "0x00"}, at}, `[{"block":` + head + `,"changes":[["` + number + `","0x02000000"],["0x00",null]]}]`},
		{"state_call", []any{"AccountNonceApi_account_nonce", hexed(coldkey[:])}, `"0x00000000"`},
		{"state_call", []any{"Nothing", "0x"}, "4003: Client error: Execution failed: Nothing: the runtime has no such function: <nil>"},
		{"system_chainType", nil, `"Development"`},
		{"system_accountNextIndex", []any{wallet.Address([32]byte{7})}, "0"},
		{"system_health", nil, `{"isSyncing":false,"peers":0,"shouldHavePeers":false}`},
		{"payment_queryInfo", []any{pay(t, n, 0, 0, 0, 1000)}, `{"class":"normal","partialFee":"24200","weight":{"proof_size":0,"ref_time":0}}`},
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
	round := n.Beacon().Round(time.Unix(1_800_000_024, 0))
	want(t, "round", c.call("state_getStorage", key(t, "Drand", "LastStoredRound")), `"`+hexed(binary.LittleEndian.AppendUint64(nil, round))+`"`)
	if v := c.call("state_getRuntimeVersion"); !strings.HasPrefix(v, `{"specName":"node-subtensor","implName":"node-subtensor","authoringVersion":1,"specVersion":425,`) {
		t.Error(v)
	}
	if _, err := scale.ParseMetadata((&arguments{}).hex(strings.Trim(c.call("state_getMetadata"), `"`))); err != nil {
		t.Error(err)
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
	n := start(t, Options{})
	c := dial(t, n)
	forged := pay(t, n, 0, 0, 0, 1000)
	forged = forged[:len(forged)-2] + "01"
	good, more, next, poor := pay(t, n, 0, 0, 5, 1000), pay(t, n, 0, 0, 6, 2000), pay(t, n, 0, 1, 0, 3000), pay(t, n, 9, 0, 0, 1000)
	large := hexed(scale.AppendBlob(nil, make([]byte, maxExtrinsic)))
	for _, tt := range []struct{ xt, want string }{
		{poor, "1010: Invalid Transaction: Inability to pay some fees (e.g. account balance too low)"},
		{forged, "1010: Invalid Transaction: Transaction has a bad signature"},
		{forged, "1012: Transaction is temporarily banned: <nil>"},
		{"0x00", "1010: Invalid Transaction: Transaction call is not expected"},
		{large, "1010: Invalid Transaction: Transaction would exhaust the block limits"},
		{hexed(n.chain.head.runtime.Inherents(runtime.Block{})[0]), "1011: Unknown Transaction Validity: NoUnsignedValidator"},
		{good, hashOf(good)},
		{good, "1013: Transaction is already imported: <nil>"},
		{pay(t, n, 0, 0, 5, 4000), "1014: Priority is too low: (5 vs 5): The transaction has too low priority to replace another transaction already in the pool."},
		{more, hashOf(more)},
		{next, hashOf(next)},
	} {
		want(t, tt.xt[:min(len(tt.xt), 20)], c.call("author_submitExtrinsic", tt.xt), tt.want)
	}
	_, cold, _ := n.Keys(0)
	want(t, "next nonce", c.call("system_accountNextIndex", wallet.Address(cold.Public())), "2")
	c.call("dev_newBlock")
	want(t, "state", c.call("state_getStorage", key(t, "System", "Account", payee)), holds(5000))
	want(t, "nonce", c.call("author_submitExtrinsic", pay(t, n, 0, 0, 9, 1000)), "1010: Invalid Transaction: Transaction is outdated")
	want(t, "included", c.call("author_submitExtrinsic", more), "1012: Transaction is temporarily banned: <nil>")
	want(t, "pool", c.call("author_pendingExtrinsics"), "[]")
}

func TestPool_is_bounded_and_gives_its_places_to_higher_tips_of_the_same_nonce(t *testing.T) {
	n := start(t, Options{})
	n.chain.pool.limit = 1
	c := dial(t, n)
	low, high := pay(t, n, 0, 0, 1, 1000), pay(t, n, 0, 0, 2, 1000)
	watch := c.call("author_submitAndWatchExtrinsic", low)
	want(t, "status", c.next(watch), `"ready"`)
	full := "1016: Immediately Dropped: The transaction couldn't enter the pool because of the limit"
	want(t, "another's", c.call("author_submitExtrinsic", pay(t, n, 1, 0, 9, 1000)), full)
	want(t, "higher", c.call("author_submitExtrinsic", high), hashOf(high))
	want(t, "status", c.next(watch), `{"usurped":`+hashOf(high)+`}`)
	want(t, "pool", c.call("author_pendingExtrinsics"), `["`+high+`"]`)
	want(t, "unwatch", c.call("author_unwatchExtrinsic", strings.Trim(watch, `"`)), "false")
}

func TestSubscriptions_tell_heads_storage_versions_and_the_way_of_an_extrinsic(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	account := key(t, "System", "Account", payee)
	heads, final := c.call("chain_subscribeNewHeads"), c.call("chain_subscribeFinalizedHeads")
	storage, version := c.call("state_subscribeStorage", []string{account}), c.call("state_subscribeRuntimeVersion")
	for _, id := range []string{heads, final} {
		if m := c.next(id); !strings.Contains(m, `"number":"0x0"`) {
			t.Errorf("first %s", m)
		}
	}
	if m := c.next(storage); !strings.Contains(m, `[["`+account+`",null]]`) {
		t.Errorf("first %s", m)
	}
	c.next(version)
	watch := c.call("author_submitAndWatchExtrinsic", pay(t, n, 0, 0, 0, 1000))
	want(t, "status", c.next(watch), `"ready"`)
	one := c.call("dev_newBlock")
	want(t, "status", c.next(watch), `{"inBlock":`+one+`}`)
	want(t, "storage", c.next(storage), `{"block":`+one+`,"changes":[["`+account+`",`+holds(1000)+`]]}`)
	if m := c.next(heads); !strings.Contains(m, `"number":"0x1"`) {
		t.Error(m)
	}
	c.call("dev_fault", map[string]string{"kind": "upgrade"})
	c.call("dev_newBlock", map[string]int{"count": 2})
	want(t, "status", c.next(watch), `{"finalized":`+one+`}`)
	if m := c.next(version); !strings.Contains(m, `"specVersion":426`) {
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
		n := start(t, Options{FinalityLag: 3})
		c := dial(t, n)
		account, xt := key(t, "System", "Account", payee), pay(t, n, 0, 0, 0, 1000)
		c.call("dev_newBlock")
		watch := c.call("author_submitAndWatchExtrinsic", xt)
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
		value := c.call("state_getStorage", account)
		if lost {
			want(t, "lost", value, "null")
			want(t, "resubmitted", c.call("author_submitExtrinsic", xt), hashOf(xt))
		} else {
			want(t, "kept", value, holds(1000))
			want(t, "status", c.next(watch), `{"inBlock":`+now+`}`)
		}
		want(t, "old branch", c.call("state_getStorage", account, strings.Trim(old, `"`)), holds(1000))
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
	c.call("author_submitExtrinsic", pay(t, n, 0, 0, 0, 1000))
	head := c.call("dev_newBlock", map[string]int{"count": 5})
	if _, err := Start(t.Context(), Options{State: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second node: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, o)
	c = dial(t, again)
	want(t, "genesis", c.call("chain_getBlockHash", 0), genesis)
	want(t, "head", c.call("chain_getBlockHash"), head)
	want(t, "state", c.call("state_getStorage", key(t, "System", "Account", payee)), holds(1000))
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
}

func TestStart_leaves_the_wallet_default_alone_and_names_a_dev_wallet_of_another_chain(t *testing.T) {
	dir := t.TempDir()
	own, other := start(t, Options{}), start(t, Options{})
	hot, cold, _ := own.Keys(0)
	coldkey := cold.Public()
	for _, write := range []func() error{
		func() error { return os.MkdirAll(filepath.Join(dir, "empty", "default"), 0o700) }, // no keys at all
		func() error {
			return wallet.Write(rand.Reader, filepath.Join(dir, "other"), "default", "default", wallet.Keys{Hotkey: hot, ColdkeyPublic: &coldkey})
		},
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"empty", "other"} {
		if err := other.keys.write(filepath.Join(dir, name)); err != nil {
			t.Error(name, err)
		}
	}
	if w, err := wallet.Open(filepath.Join(dir, "other"), "default", "default", nil); err != nil || w.Hotkey.Public() != hot.Public() {
		t.Error("default has other keys now", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "empty", "default", "hotkeys")); err == nil {
		t.Error("default has keys now")
	}
	path := filepath.Join(dir, "other", "dev0")
	err := own.keys.write(filepath.Join(dir, "other"))
	if !errors.Is(err, wallet.ErrExists) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("another chain's hotkey: %v", err)
	}
	half := keys{hot: other.keys.hot, cold: own.keys.cold}
	if err := half.write(filepath.Join(dir, "other")); !errors.Is(err, wallet.ErrExists) || !strings.Contains(err.Error(), path) {
		t.Errorf("another chain's coldkey: %v", err)
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
	flipped := bytes.Clone(b)
	flipped[len(b)/2] ^= 1
	for name, damaged := range map[string][]byte{"cut": b[:len(b)-1], "empty": nil, "flipped": flipped} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), Options{State: dir})
		if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if have, _ := os.ReadFile(path); !bytes.Equal(have, damaged) {
			t.Errorf("%s: the file was replaced", name)
		}
	}
}

func TestStart_refuses_options_that_are_out_of_range(t *testing.T) {
	for _, o := range []Options{{Netuid: 4096}, {Neurons: -1}, {Neurons: 257}, {BlockTime: time.Millisecond}, {BlockTime: 2 * time.Hour}, {FinalityLag: keptBlocks}, {CommitReveal: 3}} {
		if n, err := Start(t.Context(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v, %v", o, n, err)
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
	b, st := &block{}, &state{}
	runtime.New(runtime.Spec, tlock.Beacon{}).Upgrade(st)
	b.seal(st.put("c", nil))
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
