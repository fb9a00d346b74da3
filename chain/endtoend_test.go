package chain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/devnet"
	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/wallet"
)

// Without flags the test below runs on a devnet. With them it runs on any chain:
//
//	go test ./chain -run TestEndToEnd -v -args -endpoint ws://127.0.0.1:9944                                        # a development chain: makes a subnet of its own
//	go test ./chain -run TestEndToEnd -v -args -endpoint wss://... -netuid 19                                       # reads only
//	go test ./chain -run TestEndToEnd -v -args -endpoint ws://... -netuid 19 -hotkey-file ~/.bittensor/wallets/...   # and sets weights
var (
	endpoint   = flag.String("endpoint", "", "`URL` of a node to test against, in place of a devnet")
	netuid     = flag.Int("netuid", -1, "`N` of a subnet that is there")
	hotkeyFile = flag.String("hotkey-file", "", "`FILE` of a validator's hotkey in that subnet")
	hotkeyURI  = flag.String("hotkey-uri", "", "`URI` of a validator's hotkey in that subnet, such as //Alice//hot")
)

// network is a chain with a subnet, and what the test may do there.
type network struct {
	client    *chain.Client
	netuid    uint16
	validator wallet.Keypair
	writes    bool // validator may set weights
	root      bool // //Alice is the chain's sudo
}

func TestEndToEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	n := reach(t, ctx)
	t.Run("reads all storage, events and the metagraph", func(t *testing.T) { n.reads(t, ctx) })
	t.Run("sets weights as the subnet asks, and reads them back", func(t *testing.T) { n.sets(t, ctx, chain.Auto) })
	t.Run("refuses a wrong version key", func(t *testing.T) { n.wrongVersion(t, ctx) })
	t.Run("refuses a forged signature", func(t *testing.T) { n.forged(t, ctx) })
	t.Run("refuses a hotkey that is not registered", func(t *testing.T) { n.stranger(t, ctx) })
	t.Run("refuses what comes too fast", func(t *testing.T) { n.tooFast(t, ctx) })
	t.Run("serves an axon", func(t *testing.T) { n.serves(t, ctx) })
	t.Run("with commit-reveal", func(t *testing.T) { n.commitReveal(t, ctx) })
}

// reach connects, and finds or makes a subnet.
func reach(t *testing.T, ctx context.Context) *network {
	t.Helper()
	url := *endpoint
	if url == "" {
		wallets := t.TempDir()
		node, err := devnet.Start(ctx, devnet.Options{BlockTime: 50 * time.Millisecond, WalletPath: wallets, Netuid: 19, Neurons: 4, Tempo: 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		url, *netuid = node.Address(), 19
		*hotkeyFile = filepath.Join(wallets, "dev0", "hotkeys", "default")
	}
	c, err := chain.Dial(ctx, rpc.Options{Endpoints: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n := &network{client: c, netuid: uint16(max(*netuid, 0))}
	switch {
	case *hotkeyFile != "":
		n.validator, err = wallet.ReadKey(*hotkeyFile, nil)
		n.writes = true
	case *hotkeyURI != "":
		n.validator, err = wallet.FromURI(*hotkeyURI)
		n.writes = true
	}
	if err != nil {
		t.Fatal(err)
	}
	if *endpoint != "" {
		go n.makeBlocks(ctx)
	}
	if n.writes || *netuid < 0 {
		n.takeSudo(t, ctx)
	}
	if *netuid < 0 {
		if !n.root {
			t.Fatal("this chain's sudo is not //Alice, so the test cannot make a subnet: -netuid names one, and -hotkey-file or -hotkey-uri a validator of it")
		}
		n.provision(t, ctx)
	}
	return n
}

func mustURI(uri string) wallet.Keypair {
	k, err := wallet.FromURI(uri)
	if err != nil {
		panic(err)
	}
	return k
}

func (n *network) head(t *testing.T, ctx context.Context) *chain.State {
	t.Helper()
	s, err := n.client.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sudo calls as root. What this runtime lacks is chain.ErrUnknown.
func (n *network) sudo(ctx context.Context, pallet, call string, args ...any) error {
	return n.submit(ctx, mustURI("//Alice"), "Sudo", "sudo", scale.Choice{Name: pallet, Value: scale.Choice{Name: call, Value: args}})
}

func (n *network) submit(ctx context.Context, key chain.Signer, pallet, call string, args ...any) error {
	x, err := n.client.Sign(ctx, key, pallet, call, args...)
	if err != nil {
		return err
	}
	in, err := n.client.Submit(ctx, key, x)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", pallet, call, err)
	}
	for _, e := range in.Events {
		if e.Pallet == "Sudo" && e.Name == "Sudid" && strings.Contains(fmt.Sprint(e.Value), "Err") {
			return fmt.Errorf("%s.%s%v: %v", pallet, call, args, e.Value)
		}
	}
	return nil
}

// set changes one of the subnet's settings, by whichever pallet this runtime has it in.
func (n *network) set(t *testing.T, ctx context.Context, call string, args ...any) bool {
	t.Helper()
	if !n.root {
		return false
	}
	args = append([]any{n.netuid}, args...)
	for _, pallet := range []string{"AdminUtils", "SubtensorModule"} {
		if _, _, err := n.head(t, ctx).Runtime.Call(pallet, call); err != nil {
			continue
		}
		err := n.sudo(ctx, pallet, call, args...)
		if err != nil {
			t.Logf("%s%v: %v", call, args, err)
		}
		return err == nil
	}
	return false
}

// makeBlocks asks for a block each second where blocks are made only when asked for, as by chopsticks, until the test ends.
func (n *network) makeBlocks(ctx context.Context) {
	for {
		var refused *rpc.Error
		if err := n.client.RPC().Call(ctx, nil, "dev_newBlock"); errors.As(err, &refused) && refused.Code == methodNotFound {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// methodNotFound is JSON-RPC's code for a method that a node does not have.
const methodNotFound = -32601

// nextBlock waits for a block.
func (n *network) nextBlock(t *testing.T, ctx context.Context) {
	t.Helper()
	before := n.head(t, ctx).Number
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n.head(t, ctx).Number == before {
		select {
		case <-ctx.Done():
			t.Fatal("no new block")
		case <-tick.C:
		}
	}
}

func (n *network) reads(t *testing.T, ctx context.Context) {
	n.nextBlock(t, ctx) // the first has no events
	s := n.head(t, ctx)
	t.Logf("block %d, spec version %d, metadata v%d", s.Number, s.Runtime.Spec, s.Runtime.Version)
	read := 0
	for _, p := range s.Runtime.Pallets {
		if p.Storage == nil {
			continue
		}
		for _, e := range p.Storage.Entries {
			if e.Key >= 0 {
				if _, err := s.Runtime.DecodeAll(e.Value, e.Default); err != nil && !e.Optional {
					t.Errorf("%s.%s, the default: %v", p.Name, e.Name, err)
				}
				continue
			}
			if _, err := s.Get(ctx, p.Name, e.Name); err != nil {
				t.Errorf("%s.%s: %v", p.Name, e.Name, err)
			}
			read++
		}
	}
	if read < 10 {
		t.Errorf("%d storage values", read)
	}
	if events, err := s.Events(ctx); err != nil || len(events) == 0 {
		t.Errorf("%d events, %v", len(events), err)
	}
	g, err := s.Metagraph(ctx, n.netuid)
	if err != nil || len(g.Neurons) == 0 || g.Neurons[0].Hotkey == [32]byte{} || g.Tempo == 0 {
		t.Fatalf("metagraph: %+v, %v", g, err)
	}
	keys, err := s.Map(ctx, "SubtensorModule", "Keys", n.netuid)
	if err != nil || len(keys) != len(g.Neurons) {
		t.Errorf("%d keys of %d neurons, %v", len(keys), len(g.Neurons), err)
	}
	for _, k := range keys {
		if uid := k.Keys[0].(uint64); string(k.Value.([]byte)) != string(g.Neurons[uid].Hotkey[:]) {
			t.Errorf("uid %d has the hotkey %x in storage, and %x in the metagraph", uid, k.Value, g.Neurons[uid].Hotkey)
		}
	}
	get := func(entry string, keys ...any) any {
		v, err := s.Get(ctx, "SubtensorModule", entry, append([]any{n.netuid}, keys...)...)
		if err != nil {
			t.Error(err)
		}
		return v
	}
	permits, updates := get("ValidatorPermit").([]any), get("LastUpdate").([]any)
	for i, x := range g.Neurons {
		if i < 4 {
			t.Logf("uid %d has a stake of %d rao, permit %v", i, x.Stake, x.Permit) // pools of a new subnet may well turn stake into none
		}
		if at := get("BlockAtRegistration", x.UID); x.Permit != permits[i] || x.LastUpdate != updates[i] || x.Registered != at {
			t.Errorf("uid %d is %+v, and in storage has the permit %v, updated at %v, registered at %v", i, x, permits[i], updates[i], at)
		}
	}
}

// setter is the validator's, with a journal of its own.
func (n *network) setter(t *testing.T, key wallet.Keypair) *chain.Setter {
	t.Helper()
	j, err := chain.OpenJournal(t.TempDir(), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return &chain.Setter{Client: n.client, Key: key, Journal: j, Say: func(r *chain.Record) { t.Logf("%s %s, block %d %s", r.Method, r.Status, r.Block, r.Reason) }}
}

// weights are other ones each time.
func (n *network) weights() []chain.Weight {
	return []chain.Weight{{UID: 0, Value: uint16(1 + time.Now().UnixNano()%60000)}, {UID: 2, Value: 65535}}
}

func (n *network) mayWrite(t *testing.T) {
	t.Helper()
	if !n.writes {
		t.Skip("-hotkey-file or -hotkey-uri names a hotkey to write with")
	}
}

// needs skips what this chain does not let the test arrange.
func (n *network) needs(t *testing.T, ok bool, what string) {
	t.Helper()
	if !ok && *endpoint == "" {
		t.Fatalf("the devnet lacks: %s", what)
	} else if !ok {
		t.Skipf("this chain lacks: %s", what)
	}
}

func (n *network) sets(t *testing.T, ctx context.Context, method chain.Method) {
	t.Helper()
	n.mayWrite(t)
	s, weights := n.setter(t, n.validator), n.weights()
	r, err := s.Begin(ctx, chain.Order{Netuid: n.netuid, Weights: weights, Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(ctx, r); err != nil || r.Status != chain.Set {
		t.Fatalf("%v; %+v", err, r)
	}
	state := n.head(t, ctx)
	uid, err := state.UID(ctx, n.netuid, n.validator.Public())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := state.Weights(ctx, n.netuid, 0, uid); err != nil || !chain.Kept(got, weights) {
		t.Errorf("the chain holds %v, %v, want %v", got, err, weights)
	}
}

// refused expects a refusal under one of these names.
func refused(t *testing.T, err error, names ...string) {
	t.Helper()
	var r *chain.Refusal
	if !errors.As(err, &r) || !slices.Contains(names, r.Name) {
		t.Errorf("%v, want %v", err, names)
	} else {
		t.Log(err)
	}
}

func (n *network) wrongVersion(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	w, err := n.head(t, ctx).Window(ctx, n.netuid, 0, n.validator.Public())
	if err != nil {
		t.Fatal(err)
	}
	if w.VersionKey == 0 {
		n.needs(t, n.set(t, ctx, "sudo_set_weights_version_key", uint64(7)), "a version key")
		defer n.set(t, ctx, "sudo_set_weights_version_key", uint64(0))
	}
	n.set(t, ctx, "sudo_set_weights_set_rate_limit", uint64(0))
	zero := uint64(0)
	for _, unchecked := range []bool{false, true} { // our own refusal, then the chain's
		_, err = n.setter(t, n.validator).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights(), VersionKey: &zero, Unchecked: unchecked})
		if w.Method == chain.Direct {
			refused(t, err, "IncorrectWeightVersionKey", "IncorrectNetworkVersionKey")
		}
	}
}

// forger signs another message than it was asked to.
type forger struct{ wallet.Keypair }

func (f forger) Sign(m []byte) [64]byte { return f.Keypair.Sign(append([]byte("not "), m...)) }

func (n *network) forged(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	key := forger{n.validator}
	x, err := n.client.Sign(ctx, key, "SubtensorModule", "set_weights", n.netuid, []uint16{0}, []uint16{1}, uint64(0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.client.Submit(ctx, key, x)
	refused(t, err, "BadProof")
}

func (n *network) stranger(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	key := mustURI("//Stranger//hot")
	_, err := n.setter(t, key).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights()})
	refused(t, err, "HotKeyNotRegisteredInSubNet")
	_, err = n.setter(t, key).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights(), Unchecked: true})
	refused(t, err, "HotKeyNotRegisteredInSubNet", "HotKeyNotRegisteredInNetwork", "NotRegistered", "StakeAmountTooLow", "NotEnoughStakeToSetWeights")
}

func (n *network) tooFast(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	w, err := n.head(t, ctx).Window(ctx, n.netuid, 0, n.validator.Public())
	if err != nil {
		t.Fatal(err)
	}
	n.needs(t, w.Method == chain.Direct, "weights that are set directly")
	n.needs(t, n.set(t, ctx, "sudo_set_weights_set_rate_limit", uint64(0)), "a rate limit that can be changed")
	n.sets(t, ctx, chain.Direct)
	n.needs(t, n.set(t, ctx, "sudo_set_weights_set_rate_limit", uint64(1000)), "a rate limit that can be changed")
	defer n.set(t, ctx, "sudo_set_weights_set_rate_limit", uint64(0))
	_, err = n.setter(t, n.validator).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights()})
	refused(t, err, "SettingWeightsTooFast")
	_, err = n.setter(t, n.validator).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights(), Unchecked: true})
	refused(t, err, "SettingWeightsTooFast", "RateLimitExceeded")
}

func (n *network) serves(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	addr := fmt.Sprintf("127.0.0.2:%d", 20000+time.Now().UnixNano()%20000)
	in, err := n.client.ServeAxon(ctx, n.validator, chain.Announcement{Netuid: n.netuid, Version: 1, Addr: netip.MustParseAddrPort(addr)})
	if err != nil || in == nil {
		t.Fatalf("%v, %v", in, err)
	}
	if again, err := n.client.ServeAxon(ctx, n.validator, chain.Announcement{Netuid: n.netuid, Version: 1, Addr: netip.MustParseAddrPort(addr)}); err != nil || again != nil {
		t.Errorf("what the chain holds already was announced again: %v, %v", again, err)
	}
	g, err := n.head(t, ctx).Metagraph(ctx, n.netuid)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := n.head(t, ctx).UID(ctx, n.netuid, n.validator.Public())
	if err != nil || g.Neurons[uid].Axon.String() != addr {
		t.Errorf("the metagraph has it at %v, %v", g.Neurons[uid].Axon, err)
	}
}

func (n *network) commitReveal(t *testing.T, ctx context.Context) {
	n.mayWrite(t)
	if !n.set(t, ctx, "sudo_set_commit_reveal_weights_enabled", true) {
		n.needs(t, false, "commit-reveal that can be turned on")
	}
	defer n.set(t, ctx, "sudo_set_commit_reveal_weights_enabled", false)
	if n.epochs(t, ctx).Interval > 0 { // by default it is of 1000 blocks
		n.set(t, ctx, "sudo_set_commit_reveal_weights_interval", uint64(12))
	}
	n.set(t, ctx, "sudo_set_weights_set_rate_limit", uint64(0))
	t.Run("refuses weights that are set directly", func(t *testing.T) {
		for _, unchecked := range []bool{false, true} {
			_, err := n.setter(t, n.validator).Begin(ctx, chain.Order{Netuid: n.netuid, Weights: n.weights(), Method: chain.Direct, Unchecked: unchecked})
			refused(t, err, "CommitRevealEnabled")
		}
	})
	t.Run("reveals by version 2 in its epoch and not before", func(t *testing.T) {
		_, _, err := n.head(t, ctx).Runtime.Call("SubtensorModule", "commit_weights")
		n.needs(t, err == nil, "commit_weights")
		n.early(t, ctx)
		n.sets(t, ctx, chain.V2)
	})
	t.Run("is revealed by the chain by version 4", func(t *testing.T) {
		_, _, err := n.head(t, ctx).Runtime.Call("SubtensorModule", "commit_timelocked_weights")
		n.needs(t, err == nil, "commit_timelocked_weights")
		if *endpoint != "" {
			n.needs(t, n.head(t, ctx).Number > 0 && os.Getenv("BEACON") != "", "a beacon whose pulses come (BEACON=1 says that they do)")
		}
		n.sets(t, ctx, chain.V4)
	})
}

func (n *network) epochs(t *testing.T, ctx context.Context) chain.Epochs {
	t.Helper()
	e, err := n.head(t, ctx).Epochs(ctx, n.netuid)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// early commits, and reveals at once.
func (n *network) early(t *testing.T, ctx context.Context) {
	t.Helper()
	weights, salt := n.weights(), []uint16{1, 2, 3}
	h := chain.CommitHash(n.validator.Public(), chain.StorageIndex(n.netuid, 0), weights, salt, 9)
	for { // with enough of the epoch left that the reveal falls into it as well
		e := n.epochs(t, ctx)
		if e.At(e.Block) == e.At(e.Block+7) || e.Tempo < 9 {
			break
		}
		n.nextBlock(t, ctx)
	}
	if err := n.submit(ctx, n.validator, "SubtensorModule", "commit_weights", n.netuid, h); err != nil {
		t.Fatal(err)
	}
	err := n.submit(ctx, n.validator, "SubtensorModule", "reveal_weights", n.netuid, []uint16{weights[0].UID, weights[1].UID}, []uint16{weights[0].Value, weights[1].Value}, salt, uint64(9))
	refused(t, err, "RevealTooEarly", "CommitBlockNotInRevealRange", "InvalidRevealCommitTempo")
	for e := n.epochs(t, ctx); e.Interval > 0 && e.At(n.head(t, ctx).Number) == e.At(e.Block); { // which takes one commit each
		n.nextBlock(t, ctx)
	}
}
