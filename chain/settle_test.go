package chain

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vision19/vision/chain/devnet"
	"github.com/vision19/vision/chain/rpc"
)

// TestSettle_closes_a_record_only_when_it_is_over holds what each end of an extrinsic means for a record.
func TestSettle_closes_a_record_only_when_it_is_over(t *testing.T) {
	node, err := devnet.Start(t.Context(), devnet.Options{Netuid: 19, Neurons: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	c, err := Dial(t.Context(), rpc.Options{Endpoints: []string{node.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key, _, _ := node.Keys(0)
	s := &Setter{Client: c, Key: key, Journal: journal(t, t.TempDir())}
	unknown := fmt.Errorf("extrinsic 0x: %w: %w", ErrOutcome, &rpc.Error{Code: 4003})
	for _, x := range []struct {
		what   string
		method Method
		status Status
		err    error
		want   Status
	}{
		{"weights whose outcome is unknown, and which the chain does not hold", Direct, Submitted, unknown, Failed},
		{"a commit whose outcome is unknown", V4, Submitted, unknown, Committed},
		{"a reveal whose outcome is unknown, of weights that the chain does not hold", V2, Revealing, unknown, Failed},
		{"a reveal that came too early", V2, Revealing, &Refusal{Name: "RevealTooEarly"}, Committed},
		{"a reveal over which the runtime changed", V2, Revealing, &Refusal{Name: "BadProof", Early: true}, Committed},
		{"a reveal in a full pool", V2, Revealing, &Refusal{Name: "ImmediatelyDropped", Early: true}, Committed},
		{"a reveal of nothing", V2, Revealing, &Refusal{Name: "CommitNotFound", Early: true}, Failed},
		{"a reveal that failed", V2, Revealing, &Refusal{Name: "NeuronNoValidatorPermit"}, Failed},
		{"a reveal that no block included", V2, Revealing, ErrExpired, Committed},
		{"weights that no block included", Direct, Submitted, ErrExpired, Failed},
		{"a commit that was refused", V2, Submitted, &Refusal{Name: "CommittingWeightsTooFast"}, Failed},
		{"weights of which nothing is known", Direct, Submitted, ErrUnsure, Submitted},
		{"a commit over a lost connection", V2, Submitted, rpc.ErrLost, Submitted},
	} {
		r := &Record{Netuid: 19, Method: x.method, Status: x.status, Weights: []Weight{{0, 65535}}, Bytes: []byte{1}, Terms: &Terms{}}
		err := s.settle(t.Context(), r, &Inclusion{Block: 1}, x.err)
		if r.Status != x.want {
			t.Errorf("%s: %s, want %s (%v)", x.what, r.Status, x.want, err)
		}
		if open := x.want == Submitted; (r.Terms != nil) != open {
			t.Errorf("%s: it keeps its extrinsic: %v", x.what, r.Terms != nil)
		}
		if x.want == Failed && (r.Reason == "" || err == nil) {
			t.Errorf("%s: it failed without a word: %v", x.what, err)
		}
	}
}

func TestClient_reads_nothing_of_another_chain_that_took_over(t *testing.T) {
	var nodes [2]*devnet.Node
	for i := range nodes {
		var err error
		if nodes[i], err = devnet.Start(t.Context(), devnet.Options{Netuid: 19, Neurons: 2}); err != nil {
			t.Fatal(err)
		}
		defer nodes[i].Close()
	}
	c, err := Dial(t.Context(), rpc.Options{Endpoints: []string{nodes[0].Address(), nodes[1].Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes[0].Close()
	for err == nil || errors.Is(err, rpc.ErrLost) {
		_, err = c.Head(t.Context())
	}
	if !errors.Is(err, ErrOtherChain) {
		t.Error(err)
	}
}
