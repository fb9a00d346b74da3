package devnet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	peer "github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
	"github.com/vision19/vision/chain/wallet"
)

func start(t *testing.T, o Options) *Node {
	t.Helper()
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

// first is the runtime of a new chain, as package chain reads it.
var first = sync.OnceValues(func() (*peer.Runtime, error) {
	b, _ := runtime.New(runtime.Spec, tlock.Beacon{}).Metadata(15)
	m, err := scale.ParseMetadata(b)
	return &peer.Runtime{Metadata: m, Spec: runtime.Spec, Tx: 1}, err
})

// payee gets what the tests pay.
var payee = [32]byte{7}

// pay is a transfer of rao to payee, from the coldkey of uid or, where there is none, from an account without coins.
func pay(t *testing.T, n *Node, uid int, nonce, tip, amount uint64) string {
	t.Helper()
	rt, err := first()
	if err != nil {
		t.Fatal(err)
	}
	own := *rt
	own.Genesis = peer.Hash(n.chain.genesis.hash)
	call, err := own.EncodeCall("Balances", "transfer_keep_alive", scale.Choice{Name: "Id", Value: payee}, amount)
	if err != nil {
		t.Fatal(err)
	}
	_, key, ok := n.Keys(uid)
	if !ok {
		if key, err = wallet.FromSeed([32]byte{9}); err != nil {
			t.Fatal(err)
		}
	}
	xt, err := own.Sign(call, key, peer.Terms{Nonce: nonce, Tip: tip})
	if err != nil {
		t.Fatal(err)
	}
	return hexed(xt)
}

// hashOf is what a submission answers.
func hashOf(xt string) string {
	return `"` + sum((&arguments{}).hex(xt)).String() + `"`
}

// key is that of a storage entry.
func key(t *testing.T, pallet, entry string, keys ...any) string {
	t.Helper()
	rt, err := first()
	if err != nil {
		t.Fatal(err)
	}
	k, err := rt.StorageKey(pallet, entry, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return hexed(k)
}

// holds is the account of one that has an amount of rao: nonce and references, free, reserved and frozen, flags.
func holds(amount uint64) string {
	b := binary.LittleEndian.AppendUint64([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, amount)
	return `"` + hexed(append(append(b, make([]byte, 31)...), 0x80)) + `"`
}
