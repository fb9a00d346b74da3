package chain

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/vision19/vision/chain/scale"
)

// State is the chain's at one block: everything read through it is of that block, so that what is read together fits together.
type State struct {
	Number  uint64
	Hash    Hash
	Runtime *Runtime

	client *Client
}

// Head is the state at the best block.
func (c *Client) Head(ctx context.Context) (*State, error) {
	var h Hash
	if err := c.rpc.Call(ctx, &h, "chain_getBlockHash"); err != nil {
		return nil, fmt.Errorf("read the best block: %w", err)
	}
	return c.At(ctx, h)
}

// Finalized is the state at the last block that no fork can take back.
func (c *Client) Finalized(ctx context.Context) (*State, error) {
	var h Hash
	if err := c.rpc.Call(ctx, &h, "chain_getFinalizedHead"); err != nil {
		return nil, fmt.Errorf("read the finalized block: %w", err)
	}
	return c.At(ctx, h)
}

// At is the state at a block.
func (c *Client) At(ctx context.Context, hash Hash) (*State, error) {
	h, err := c.header(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("read block %s: %w", hash, err)
	}
	rt, err := c.runtime(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("read the runtime at block %d: %w", h.Number, err)
	}
	return &State{Number: h.Number, Hash: hash, Runtime: rt, client: c}, nil
}

// Get reads a storage value, with its keys if it is a map's. Where nothing is stored it is the default, or nil where the entry is optional.
func (s *State) Get(ctx context.Context, pallet, entry string, keys ...any) (any, error) {
	_, e, err := s.Runtime.Entry(pallet, entry)
	if err != nil {
		return nil, err
	}
	if len(keys) != len(e.Hashers) {
		return nil, fmt.Errorf("storage %s.%s: %d keys, where %d are right", pallet, entry, len(keys), len(e.Hashers))
	}
	key, err := s.Runtime.StorageKey(pallet, entry, keys...)
	if err != nil {
		return nil, err
	}
	b, err := s.raw(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read storage %s.%s at block %d: %w", pallet, entry, s.Number, err)
	}
	if b == nil {
		if e.Optional {
			return nil, nil
		}
		b = e.Default
	}
	v, err := s.Runtime.DecodeAll(e.Value, b)
	if err != nil {
		return nil, fmt.Errorf("storage %s.%s: %w", pallet, entry, err)
	}
	return v, nil
}

// raw reads what is stored under a key, nil for nothing.
func (s *State) raw(ctx context.Context, key []byte) ([]byte, error) {
	var v *string
	if err := s.client.rpc.Call(ctx, &v, "state_getStorage", "0x"+hex.EncodeToString(key), s.Hash); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, nil
	}
	b, err := unhex(*v)
	if b == nil && err == nil {
		b = []byte{} // stored, and empty
	}
	return b, err
}

// A Pair is one of a map's: the parts of its key that were not given (nil where the hasher hides them), and its value.
type Pair struct {
	Keys  []any
	Value any
}

// page is how many keys are asked for at once, and the most that nodes give; maxPairs bounds a map that is read whole.
const (
	page     = 512
	maxPairs = 1 << 17
)

// ErrMany says that a map has more entries than are read at once.
var ErrMany = errors.New("the map is too large to be read whole")

// Map reads all of a map under the first parts of its key.
func (s *State) Map(ctx context.Context, pallet, entry string, first ...any) ([]Pair, error) {
	_, e, err := s.Runtime.Entry(pallet, entry)
	if err != nil {
		return nil, err
	}
	prefix, err := s.Runtime.StorageKey(pallet, entry, first...)
	if err != nil {
		return nil, err
	}
	var pairs []Pair
	after := prefix
	for {
		keys, values, err := s.page(ctx, prefix, after)
		if err != nil {
			return nil, fmt.Errorf("read storage %s.%s at block %d: %w", pallet, entry, s.Number, err)
		}
		for i, key := range keys {
			p := Pair{}
			if p.Keys, err = s.Runtime.keys(e, len(first), key[len(prefix):]); err == nil {
				p.Value, err = s.Runtime.DecodeAll(e.Value, values[i])
			}
			if err != nil {
				return nil, fmt.Errorf("storage %s.%s: %w", pallet, entry, err)
			}
			pairs = append(pairs, p)
		}
		switch {
		case len(keys) < page:
			return pairs, nil
		case len(pairs) > maxPairs:
			return nil, fmt.Errorf("storage %s.%s: more than %d entries: %w", pallet, entry, maxPairs, ErrMany)
		}
		after = keys[len(keys)-1]
	}
}

// page reads the next keys under prefix, with what is stored there.
func (s *State) page(ctx context.Context, prefix, after []byte) (keys, values [][]byte, err error) {
	var names []string
	if err := s.client.rpc.Call(ctx, &names, "state_getKeysPaged", "0x"+hex.EncodeToString(prefix), page, "0x"+hex.EncodeToString(after), s.Hash); err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return nil, nil, nil
	}
	var sets []struct{ Changes [][2]*string }
	if err := s.client.rpc.Call(ctx, &sets, "state_queryStorageAt", names, s.Hash); err != nil {
		return nil, nil, err
	}
	for _, set := range sets {
		for _, change := range set.Changes {
			if change[0] == nil || change[1] == nil {
				continue
			}
			key, err := unhex(*change[0])
			if err != nil {
				return nil, nil, err
			}
			value, err := unhex(*change[1])
			if err != nil {
				return nil, nil, err
			}
			if len(key) < len(prefix) || !slices.Equal(key[:len(prefix)], prefix) {
				return nil, nil, fmt.Errorf("the node gave the key %x, which does not begin with %x", key, prefix)
			}
			keys, values = append(keys, key), append(values, value)
		}
	}
	if len(keys) != len(names) {
		return nil, nil, fmt.Errorf("the node gave %d values for %d keys", len(keys), len(names))
	}
	return keys, values, nil
}

// Call calls a function of a runtime API. A runtime that does not tell its types is ErrUnknown.
func (s *State) Call(ctx context.Context, api, method string, args ...any) (any, error) {
	f, err := s.Runtime.Method(api, method)
	if err != nil {
		return nil, err
	}
	if len(args) != len(f.Inputs) {
		return nil, fmt.Errorf("%s.%s: %d arguments, where %d are right", api, method, len(args), len(f.Inputs))
	}
	var in []byte
	for i, a := range args {
		if in, err = s.Runtime.Encode(in, f.Inputs[i].Type, a); err != nil {
			return nil, fmt.Errorf("%s.%s: %s: %w", api, method, f.Inputs[i].Name, err)
		}
	}
	out, err := s.client.stateCall(ctx, api+"_"+method, in, s.Hash)
	if err != nil {
		return nil, fmt.Errorf("call %s.%s at block %d: %w", api, method, s.Number, err)
	}
	v, err := s.Runtime.DecodeAll(f.Output, out)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", api, method, err)
	}
	return v, nil
}

// number reads a storage value that is an unsigned integer.
func (s *State) number(ctx context.Context, pallet, entry string, keys ...any) (uint64, error) {
	v, err := s.Get(ctx, pallet, entry, keys...)
	if err != nil {
		return 0, err
	}
	n, ok := v.(uint64)
	if !ok {
		return 0, fmt.Errorf("storage %s.%s holds %T, not a number", pallet, entry, v)
	}
	return n, nil
}

// numberOr is number, or what a runtime without that entry means.
func (s *State) numberOr(ctx context.Context, without uint64, pallet, entry string, keys ...any) (uint64, error) {
	n, err := s.number(ctx, pallet, entry, keys...)
	if errors.Is(err, ErrUnknown) {
		return without, nil
	}
	return n, err
}

// flag reads a storage value that is a bool; a runtime without that entry means false.
func (s *State) flag(ctx context.Context, pallet, entry string, keys ...any) (bool, error) {
	v, err := s.Get(ctx, pallet, entry, keys...)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	b, _ := v.(bool)
	return b, err
}

// list is v's elements, none for what is no list.
func list(v any) []any {
	all, _ := v.([]any)
	return all
}

// at is the element i of a list that is a number, or 0.
func at(v any, i int) uint64 {
	if all := list(v); i < len(all) {
		n, _ := all[i].(uint64)
		return n
	}
	return 0
}

// member is a field of a Struct, or nil.
func member(v any, name string) any {
	s, _ := v.(scale.Struct)
	return s.Get(name)
}
