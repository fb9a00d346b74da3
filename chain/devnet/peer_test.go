package devnet_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/devnet"
	"github.com/vision19/vision/chain/rpc"
)

func TestClient_signs_across_an_upgrade(t *testing.T) {
	node, err := devnet.Start(t.Context(), devnet.Options{BlockTime: 30 * time.Millisecond, Netuid: 19, Neurons: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	c, err := chain.Dial(t.Context(), rpc.Options{Endpoints: []string{node.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, _, _ := node.Keys(0)
	second, _, _ := node.Keys(1)
	x, err := c.Sign(t.Context(), second, "SubtensorModule", "set_weights", uint16(19), []uint16{1}, []uint16{65535}, uint64(1))
	if err != nil {
		t.Fatal(err)
	}
	before := head(t, c)
	if err := node.Fault(devnet.Fault{Kind: devnet.Upgrade}); err != nil {
		t.Fatal(err)
	}
	if err := node.NewBlock(); err != nil {
		t.Fatal(err)
	}
	after := head(t, c)
	was, _ := before.Runtime.Pallet("SubtensorModule")
	is, _ := after.Runtime.Pallet("SubtensorModule")
	if after.Runtime.Spec != before.Runtime.Spec+1 || is.Index == was.Index {
		t.Fatalf("spec %d after %d, the pallet has index %d after %d", after.Runtime.Spec, before.Runtime.Spec, is.Index, was.Index)
	}
	_, err = c.Submit(t.Context(), second, x)
	var refused *chain.Refusal
	if !errors.As(err, &refused) || !slices.Contains([]string{"BadProof", "Call"}, refused.Name) { // Call: no pallet has the old number now
		t.Errorf("signed before the upgrade: %v", err)
	}
	j, err := chain.OpenJournal(t.TempDir(), first.Public())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	s := &chain.Setter{Client: c, Key: first, Journal: j}
	weights := []chain.Weight{{UID: 1, Value: 30000}, {UID: 2, Value: 65535}}
	r, err := s.Begin(t.Context(), chain.Order{Netuid: 19, Weights: weights})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), r); err != nil || r.Status != chain.Set {
		t.Fatalf("%v; %+v", err, r)
	}
	if have, err := head(t, c).Weights(t.Context(), 19, 0, 0); err != nil || !chain.Kept(have, weights) {
		t.Errorf("the chain holds %v, %v", have, err)
	}
	if have, err := head(t, c).Weights(t.Context(), 19, 0, 1); err != nil || len(have) > 0 {
		t.Errorf("the refused weights are there: %v, %v", have, err)
	}
}

func TestClient_reads_the_events_of_the_block_that_upgrades(t *testing.T) {
	node, err := devnet.Start(t.Context(), devnet.Options{Netuid: 19, Neurons: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	c, err := chain.Dial(t.Context(), rpc.Options{Endpoints: []string{node.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	good, _, _ := node.Keys(0)
	bad, _, _ := node.Keys(1)
	var signed []*chain.Signed
	for _, try := range []struct {
		key     chain.Signer
		version uint64
	}{{good, 1}, {bad, 0}} {
		x, err := c.Sign(t.Context(), try.key, "SubtensorModule", "set_weights", uint16(19), []uint16{1, 2}, []uint16{1, 2}, try.version)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.RPC().Call(t.Context(), nil, "author_submitExtrinsic", "0x"+hex.EncodeToString(x.Bytes)); err != nil {
			t.Fatal(err)
		}
		signed = append(signed, x)
	}
	if err := node.Fault(devnet.Fault{Kind: devnet.Upgrade}); err != nil {
		t.Fatal(err)
	}
	for range 4 { // so that the first is finalized
		if err := node.NewBlock(); err != nil {
			t.Fatal(err)
		}
	}
	in, err := c.Await(t.Context(), good.Public(), signed[0])
	if err != nil || in.Block != 1 || !slices.ContainsFunc(in.Events, func(e chain.Event) bool { return e.Name == "WeightsSet" }) {
		t.Errorf("%+v, %v", in, err)
	}
	var refused *chain.Refusal
	if _, err := c.Await(t.Context(), bad.Public(), signed[1]); !errors.As(err, &refused) || refused.Name != "IncorrectWeightVersionKey" {
		t.Errorf("a failed one: %v", err)
	}
}

func head(t *testing.T, c *chain.Client) *chain.State {
	t.Helper()
	s, err := c.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
