// Package chain is a client of subtensor, Bittensor's chain: what a subnet looks like, whether weights may be set now, and setting them, so that they are
// known to be set.
//
// Nothing of a runtime's layout is written down here. Pallets, calls, storage and signed extensions are looked up by name in the metadata that the
// chain serves, at the block that is asked about; what a runtime lacks is ErrUnknown, so that one client serves many versions of it.
//
//	chain          the client: reads pinned to a block, extrinsics, weights
//	chain/scale    SCALE and metadata
//	chain/rpc      JSON-RPC over websocket and HTTP, with failover
//	chain/wallet   Bittensor's wallets, sr25519 keys, SS58
//	chain/tlock    timelock encryption to a drand beacon
//	chain/devnet   a local chain that speaks the same
//
// None of them imports anything of this project outside this folder.
package chain

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/scale"
)

// ErrUnknown says that this runtime has no such pallet, call, storage or function.
var ErrUnknown = scale.ErrUnknown

// A Hash is a block's, or an extrinsic's: blake2b of 32 bytes.
type Hash [32]byte

// String is the hash in hex, after 0x.
func (h Hash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// MarshalText is String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String gives.
func (h *Hash) UnmarshalText(b []byte) error {
	raw, err := unhex(string(b))
	if err == nil && len(raw) != len(h) {
		err = fmt.Errorf("%d bytes, where a hash has %d", len(raw), len(h))
	}
	if err != nil {
		return err
	}
	copy(h[:], raw)
	return nil
}

func unhex(s string) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return nil, errors.New("hex that does not begin with 0x")
	}
	return hex.DecodeString(digits)
}

// A Client reads and writes one chain over one shared connection. Its methods may be called from many goroutines.
type Client struct {
	rpc     *rpc.Client
	genesis Hash

	mu       sync.Mutex
	runtimes map[version]*Runtime // the last few: one, but for an upgrade
	graphs   map[graphKey]*Metagraph
	flights  map[[32]byte]chan struct{} // by hotkey: one extrinsic at a time
	checked  uint64                     // the connection of which the genesis is known to be ours
}

// version is a runtime's: what decides how bytes are read.
type version struct {
	Spec uint32 `json:"specVersion"`
	Tx   uint32 `json:"transactionVersion"`
}

// Dial connects to the first of the endpoints that answers, and reads which chain it is.
func Dial(ctx context.Context, o rpc.Options) (*Client, error) {
	conn, err := rpc.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Client{rpc: conn, runtimes: map[version]*Runtime{}, graphs: map[graphKey]*Metagraph{}, flights: map[[32]byte]chan struct{}{}}
	if c.genesis, err = c.BlockHash(ctx, 0); err != nil {
		conn.Close()
		return nil, fmt.Errorf("read the chain's first block from %s: %w", conn.Endpoint(), err)
	}
	return c, nil
}

// Close closes the connection; calls that wait fail.
func (c *Client) Close() error { return c.rpc.Close() }

// Genesis is the hash of the chain's first block, which says which chain it is.
func (c *Client) Genesis() Hash { return c.genesis }

// RPC is the connection, for calls that have no method here.
func (c *Client) RPC() *rpc.Client { return c.rpc }

// ErrNoBlock says that the chain has no block of that number, yet.
var ErrNoBlock = errors.New("the chain has no such block")

// BlockHash is the hash of the best chain's block of that number, or ErrNoBlock.
func (c *Client) BlockHash(ctx context.Context, number uint64) (Hash, error) {
	var h *Hash
	if err := c.rpc.Call(ctx, &h, "chain_getBlockHash", number); err != nil {
		return Hash{}, err
	}
	if h == nil {
		return Hash{}, fmt.Errorf("block %d: %w", number, ErrNoBlock)
	}
	return *h, nil
}

// A Header is a block's.
type Header struct {
	Number uint64
	Parent Hash
}

// UnmarshalJSON reads a header as chain_getHeader gives it, whose number is hex without leading zeros.
func (h *Header) UnmarshalJSON(b []byte) error {
	var raw struct {
		Number     string `json:"number"`
		ParentHash Hash   `json:"parentHash"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(raw.Number, "0x%x", &h.Number); err != nil {
		return fmt.Errorf("a header's number, %q, is no hex: %w", raw.Number, err)
	}
	h.Parent = raw.ParentHash
	return nil
}

// header reads a block's header.
func (c *Client) header(ctx context.Context, of Hash) (Header, error) {
	var h *Header
	err := c.rpc.Call(ctx, &h, "chain_getHeader", of)
	if err == nil && h == nil {
		err = fmt.Errorf("block %s: %w", of, ErrNoBlock)
	}
	if err != nil {
		return Header{}, err
	}
	return *h, nil
}

// ErrOtherChain says that the endpoint that took over is of another chain.
var ErrOtherChain = errors.New("the node is of another chain than before")

// sameChain asks a new connection which chain it is of.
func (c *Client) sameChain(ctx context.Context) error {
	generation := c.rpc.Generation()
	c.mu.Lock()
	known := c.checked == generation
	c.mu.Unlock()
	if known {
		return nil
	}
	genesis, err := c.BlockHash(ctx, 0)
	if err != nil {
		return err
	}
	if genesis != c.genesis {
		return fmt.Errorf("%s: %w: it begins with %s, not %s", c.rpc.Endpoint(), ErrOtherChain, genesis, c.genesis)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = generation
	return nil
}

// runtime is that of a block, read once for each version.
func (c *Client) runtime(ctx context.Context, at Hash) (*Runtime, error) {
	if err := c.sameChain(ctx); err != nil {
		return nil, err
	}
	var v version
	if err := c.rpc.Call(ctx, &v, "state_getRuntimeVersion", at); err != nil {
		return nil, err
	}
	c.mu.Lock()
	rt := c.runtimes[v]
	c.mu.Unlock()
	if rt != nil {
		return rt, nil
	}
	m, err := c.metadata(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("the metadata of spec version %d: %w", v.Spec, err)
	}
	rt = &Runtime{Metadata: m, Spec: v.Spec, Tx: v.Tx, Genesis: c.genesis}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runtimes) >= maxRuntimes {
		clear(c.runtimes)
	}
	c.runtimes[v] = rt
	return rt, nil
}

// maxRuntimes bounds the metadata that is kept: some MB each, and more than two are never in use at once.
const maxRuntimes = 4

// metadata asks for version 15, which tells the types of runtime APIs too, and else takes 14, which every runtime serves.
func (c *Client) metadata(ctx context.Context, at Hash) (*scale.Metadata, error) {
	if b, err := c.stateCall(ctx, "Metadata_metadata_at_version", []byte{15, 0, 0, 0}, at); err == nil {
		r := scale.NewReader(b)
		if r.Bool() { // an Option
			if blob := r.Blob(); r.Done() == nil {
				return scale.ParseMetadata(blob)
			}
		}
	} else if refused := (*rpc.Error)(nil); !errors.As(err, &refused) {
		return nil, err // not the runtime's own word that it has no such function
	}
	var s string
	if err := c.rpc.Call(ctx, &s, "state_getMetadata", at); err != nil {
		return nil, err
	}
	b, err := unhex(s)
	if err != nil {
		return nil, err
	}
	return scale.ParseMetadata(b)
}

func (c *Client) stateCall(ctx context.Context, function string, args []byte, at Hash) ([]byte, error) {
	var s string
	if err := c.rpc.Call(ctx, &s, "state_call", function, "0x"+hex.EncodeToString(args), at); err != nil {
		return nil, err
	}
	return unhex(s)
}
