package devnet

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/wallet"
)

// method answers a call; then, where it is not nil, is called once the reply is on its way.
type method func(n *Node, c *conn, a *arguments) (result any, then func(), err *rpcError)

// plain is a method that only reads or writes.
func plain(f func(n *Node, a *arguments) (any, *rpcError)) method {
	return func(n *Node, _ *conn, a *arguments) (any, func(), *rpcError) {
		r, err := f(n, a)
		return r, nil, err
	}
}

func constant(v any) method {
	return plain(func(*Node, *arguments) (any, *rpcError) { return v, nil })
}

func unsubscribe(n *Node, c *conn, a *arguments) (any, func(), *rpcError) {
	r, err := n.unsubscribe(c, a)
	return r, nil, err
}

var methods map[string]method

func init() {
	heads := func(message string) method {
		return func(n *Node, c *conn, _ *arguments) (any, func(), *rpcError) {
			s := &subscription{method: message}
			return n.subscribe(c, s, func() {
				if message == "chain_finalizedHead" {
					s.tell(n.chain.final.json())
				} else {
					s.tell(n.chain.head.json())
				}
			})
		}
	}
	methods = map[string]method{
		"rpc_methods": plain(func(*Node, *arguments) (any, *rpcError) {
			all := make([]string, 0, len(methods))
			for name := range methods {
				all = append(all, name)
			}
			slices.Sort(all)
			return map[string]any{"methods": all}, nil
		}),
		"system_chain": constant("Vision devnet"), "system_name": constant("vision-devnet"), "system_version": constant("1"),
		"system_chainType":        constant("Development"),
		"system_properties":       constant(map[string]any{"ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO"}),
		"system_health":           constant(map[string]any{"peers": 0, "isSyncing": false, "shouldHavePeers": false}),
		"system_syncState":        plain(syncState),
		"system_accountNextIndex": plain(nextIndex), "account_nextIndex": plain(nextIndex),

		"state_getRuntimeVersion": plain(runtimeVersion), "chain_getRuntimeVersion": plain(runtimeVersion),
		"state_getMetadata": plain(metadata), "state_call": plain(stateCall),
		"state_getStorage": plain(storage(hexed)), "state_getStorageAt": plain(storage(hexed)),
		"state_getStorageHash": plain(storage(func(b []byte) hash { return sum(b) })),
		"state_getStorageSize": plain(storage(func(b []byte) int { return len(b) })),
		"state_getKeysPaged":   plain(keysPaged), "state_getKeysPagedAt": plain(keysPaged), "state_getKeys": plain(allKeys),
		"state_queryStorageAt":            plain(queryStorage),
		"state_subscribeStorage":          subscribeStorage,
		"state_unsubscribeStorage":        unsubscribe,
		"state_subscribeRuntimeVersion":   subscribeVersion,
		"chain_subscribeRuntimeVersion":   subscribeVersion,
		"state_unsubscribeRuntimeVersion": unsubscribe,
		"chain_unsubscribeRuntimeVersion": unsubscribe,
		"chain_getBlockHash":              plain(blockHash),
		"chain_getHead":                   plain(blockHash),
		"chain_getHeader":                 plain(header),
		"chain_getBlock":                  plain(getBlock),
		"chain_getFinalizedHead":          plain(func(n *Node, _ *arguments) (any, *rpcError) { return n.chain.final.hash, nil }),
		"chain_getFinalisedHead":          plain(func(n *Node, _ *arguments) (any, *rpcError) { return n.chain.final.hash, nil }),
		"chain_subscribeNewHeads":         heads("chain_newHead"),
		"chain_subscribeNewHead":          heads("chain_newHead"),
		"chain_subscribeAllHeads":         heads("chain_allHead"),
		"chain_subscribeFinalizedHeads":   heads("chain_finalizedHead"),
		"chain_subscribeFinalisedHeads":   heads("chain_finalizedHead"),
		"chain_unsubscribeNewHeads":       unsubscribe,
		"chain_unsubscribeNewHead":        unsubscribe,
		"chain_unsubscribeAllHeads":       unsubscribe,
		"chain_unsubscribeFinalizedHeads": unsubscribe,
		"chain_unsubscribeFinalisedHeads": unsubscribe,
		"author_submitExtrinsic":          plain(submit),
		"author_submitAndWatchExtrinsic":  submitAndWatch,
		"author_unwatchExtrinsic":         unsubscribe,
		"author_pendingExtrinsics":        plain(pending),
		"payment_queryInfo":               plain(queryInfo),
		"dev_newBlock":                    plain(newBlock),
		"dev_fault":                       plain(setFault),
	}
}

// call runs one call under the node's lock.
func (n *Node) call(c *conn, r request) (any, func(), *rpcError) {
	if r.err != nil {
		return nil, nil, r.err
	}
	m := methods[r.Method]
	if m == nil {
		return nil, nil, &rpcError{-32601, "Method not found", nil}
	}
	a := &arguments{left: r.Params}
	result, then, err := m(n, c, a)
	if a.err != nil {
		return nil, nil, a.err
	}
	return result, then, err
}

func syncState(n *Node, _ *arguments) (any, *rpcError) {
	head := n.chain.head.number
	return map[string]uint32{"startingBlock": 0, "currentBlock": head, "highestBlock": head}, nil
}

// nextIndex counts those of the pool too, as Substrate does.
func nextIndex(n *Node, a *arguments) (any, *rpcError) {
	account, _, err := wallet.ParseAddress(a.text("an address is wanted"))
	if err != nil {
		a.fail("an SS58 address is wanted")
		return nil, nil
	}
	out, err := n.chain.head.runtime.Call(&state{n.chain.head.state}, "AccountNonceApi_account_nonce", account[:])
	if err != nil {
		return nil, &rpcError{1, "Unable to query nonce.", err.Error()}
	}
	next := scale.NewReader(out).U32()
	for _, w := range n.chain.pool.ordered() {
		if w.Signer == account && w.Nonce == next {
			next++
		}
	}
	return next, nil
}

// at reads a call's optional block.
func at(n *Node, a *arguments) (*block, *rpcError) {
	h := a.hash()
	if a.err != nil {
		return nil, a.err
	}
	return n.chain.at(h)
}

type versionJSON struct {
	SpecName           string   `json:"specName"`
	ImplName           string   `json:"implName"`
	AuthoringVersion   uint32   `json:"authoringVersion"`
	SpecVersion        uint32   `json:"specVersion"`
	ImplVersion        uint32   `json:"implVersion"`
	APIs               [][2]any `json:"apis"`
	TransactionVersion uint32   `json:"transactionVersion"`
	StateVersion       byte     `json:"stateVersion"`
}

func jsonVersion(r *runtime.Runtime) versionJSON {
	v := r.Version()
	j := versionJSON{v.SpecName, v.ImplName, v.AuthoringVersion, v.SpecVersion, v.ImplVersion, [][2]any{}, v.TransactionVersion, v.StateVersion}
	for _, api := range v.APIs {
		j.APIs = append(j.APIs, [2]any{hexed(api.ID[:]), api.Version})
	}
	return j
}

func runtimeVersion(n *Node, a *arguments) (any, *rpcError) {
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	return jsonVersion(b.runtime), nil
}

func metadata(n *Node, a *arguments) (any, *rpcError) {
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	m, _ := b.runtime.Metadata(14) // which every runtime has
	return hexed(m), nil
}

func stateCall(n *Node, a *arguments) (any, *rpcError) {
	function, args := a.text("a function's name is wanted"), a.bytes(false)
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	out, failed := b.runtime.Call(&state{b.state}, function, args)
	if failed != nil {
		return nil, &rpcError{4003, "Client error: Execution failed: " + failed.Error(), nil}
	}
	return hexed(out), nil
}

func storage[T any](form func([]byte) T) func(n *Node, a *arguments) (any, *rpcError) {
	return func(n *Node, a *arguments) (any, *rpcError) {
		key := a.bytes(false)
		b, err := at(n, a)
		if err != nil {
			return nil, err
		}
		v, ok := b.state.get(string(key))
		if !ok {
			return nil, nil
		}
		return form(v), nil
	}
}

func keysPaged(n *Node, a *arguments) (any, *rpcError) {
	var count uint32
	prefix := a.bytes(true)
	a.next(&count, false, "a number of keys is wanted")
	if count > maxKeys {
		return nil, &rpcError{4002, fmt.Sprintf("count exceeds maximum value. value: %d, max: %d", count, maxKeys), nil}
	}
	if count == 0 {
		return []string{}, a.err
	}
	return page(n, a, prefix, a.bytes(true), int(count))
}

// allKeys is the old form of keysPaged, without pages: it refuses what does not fit into one.
func allKeys(n *Node, a *arguments) (any, *rpcError) {
	found, err := page(n, a, a.bytes(false), nil, maxKeys+1)
	if err == nil && len(found) > maxKeys {
		return nil, &rpcError{4002, fmt.Sprintf("more than %d keys: state_getKeysPaged reads them page by page", maxKeys), nil}
	}
	return found, err
}

func page(n *Node, a *arguments, prefix, after []byte, count int) ([]string, *rpcError) {
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, k := range b.state.keys(string(prefix), string(after), count) {
		found = append(found, hexed(k))
	}
	return found, nil
}

func queryStorage(n *Node, a *arguments) (any, *rpcError) {
	keys := a.keys()
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	return []storageChanges{{b.hash, changed(keys, nil, b)}}, nil
}

func subscribeStorage(n *Node, c *conn, a *arguments) (any, func(), *rpcError) {
	s := &subscription{method: "state_storage", keys: a.keys()}
	if a.err != nil {
		return nil, nil, a.err
	}
	return n.subscribe(c, s, func() { s.tell(storageChanges{n.chain.head.hash, changed(s.keys, nil, n.chain.head)}) })
}

func subscribeVersion(n *Node, c *conn, _ *arguments) (any, func(), *rpcError) {
	s := &subscription{method: "state_runtimeVersion"}
	return n.subscribe(c, s, func() { s.tell(jsonVersion(n.chain.head.runtime)) })
}

// blockHash answers one number, none (the head) or a list of them.
func blockHash(n *Node, a *arguments) (any, *rpcError) {
	if len(a.left) > 0 && a.left[0][0] == '[' {
		var list []json.RawMessage
		if !a.next(&list, false, "a list of numbers is wanted") || len(list) > maxKeys {
			a.fail("a list of at most 1000 numbers is wanted")
			return nil, a.err
		}
		hashes := []any{}
		for i := range list {
			one := &arguments{left: list[i : i+1]}
			h, err := blockHash(n, one)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, h)
		}
		return hashes, nil
	}
	number := a.number()
	if a.err != nil {
		return nil, a.err
	}
	if number == nil {
		return n.chain.head.hash, nil
	}
	if b := n.chain.canonical[*number]; b != nil {
		return b.hash, nil
	}
	return nil, nil
}

// known is the block that a call names, or the head. nil: there is none.
func known(n *Node, a *arguments) *block {
	h := a.hash()
	if h == nil {
		return n.chain.head
	}
	return n.chain.byHash[*h]
}

func header(n *Node, a *arguments) (any, *rpcError) {
	if b := known(n, a); b != nil {
		return b.json(), nil
	}
	return nil, nil
}

func getBlock(n *Node, a *arguments) (any, *rpcError) {
	b := known(n, a)
	if b == nil {
		return nil, nil
	}
	xts := []string{}
	for _, xt := range b.extrinsics {
		xts = append(xts, hexed(xt))
	}
	return map[string]any{"block": map[string]any{"header": b.json(), "extrinsics": xts}, "justifications": nil}, nil
}

// take runs the faults of a submission and then the submission. lost is one that the node only says it took.
func take(n *Node, xt []byte) (h hash, lost bool, err *rpcError) {
	if f, ok := n.faults.take(Refuse); ok {
		switch {
		case f.Custom != nil:
			return h, false, refusal(&runtime.Invalid{Kind: runtime.InvalidCustom, Custom: *f.Custom})
		case f.Data != "":
			return h, false, &rpcError{f.Code, "Invalid Transaction", f.Data}
		default:
			return h, false, &rpcError{f.Code, "refused by a fault of this devnet", nil}
		}
	}
	if _, ok := n.faults.take(Lose); ok {
		return sum(xt), true, nil
	}
	h, usurped, err := n.chain.submit(xt)
	if usurped != nil {
		n.last(usurped.hash, map[string]hash{"usurped": h})
	}
	return h, false, err
}

func submit(n *Node, a *arguments) (any, *rpcError) {
	xt := a.bytes(false)
	if a.err != nil {
		return nil, a.err
	}
	h, _, err := take(n, xt)
	return h, err
}

func submitAndWatch(n *Node, c *conn, a *arguments) (any, func(), *rpcError) {
	xt := a.bytes(false)
	if a.err != nil {
		return nil, nil, a.err
	}
	if c == nil || len(c.subs) >= maxSubscriptions {
		return n.subscribe(c, &subscription{}, nil) // refused before the pool has it
	}
	h, _, err := take(n, xt)
	if err != nil {
		return nil, nil, err
	}
	s := &subscription{method: "author_extrinsicUpdate", xt: &h}
	return n.subscribe(c, s, func() { s.tell("ready") })
}

func pending(n *Node, _ *arguments) (any, *rpcError) {
	xts := []string{}
	for _, w := range n.chain.pool.ordered() {
		xts = append(xts, hexed(w.xt))
	}
	return xts, nil
}

func queryInfo(n *Node, a *arguments) (any, *rpcError) {
	xt := a.bytes(false)
	b, err := at(n, a)
	if err != nil {
		return nil, err
	}
	args := append(append([]byte{}, xt...), byte(len(xt)), byte(len(xt)>>8), byte(len(xt)>>16), byte(len(xt)>>24))
	out, failed := b.runtime.Call(&state{b.state}, "TransactionPaymentApi_query_info", args)
	if failed != nil {
		return nil, &rpcError{4003, "Client error: Execution failed: " + failed.Error(), nil}
	}
	r := scale.NewReader(out)
	refTime, proof, class, fee := r.Compact(), r.Compact(), r.Byte(), r.U64()
	names := []string{"normal", "operational", "mandatory"}
	if r.Done() != nil || int(class) >= len(names) {
		return nil, &rpcError{-32603, "Internal error", "the runtime's dispatch info is malformed"}
	}
	return map[string]any{"weight": map[string]uint64{"ref_time": refTime, "proof_size": proof}, "class": names[class], "partialFee": decimal(fee)}, nil
}

// newBlock makes count blocks, one where nothing is said, and answers the last one's hash.
func newBlock(n *Node, a *arguments) (any, *rpcError) {
	want := struct {
		Count *int `json:"count"`
	}{}
	a.next(&want, true, "an object {count} is wanted")
	if a.err != nil {
		return nil, a.err
	}
	count := 1
	if want.Count != nil {
		count = *want.Count
	}
	if count < 1 || count > maxBlocks {
		a.fail(fmt.Sprintf("count is 1 to %d", maxBlocks))
		return nil, a.err
	}
	for range count {
		if err := n.chain.build(); err != nil {
			return nil, &rpcError{-32603, "Internal error", err.Error()}
		}
	}
	return n.chain.head.hash, nil
}

func setFault(n *Node, a *arguments) (any, *rpcError) {
	var f Fault
	if !a.next(&f, false, "an object {kind, ...} is wanted") {
		return nil, a.err
	}
	if err := n.fault(f); err != nil {
		return nil, &rpcError{-32602, "Invalid params", err.Error()}
	}
	return true, nil
}
