package runtime

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

func TestMetadata_encodes_calls_as_the_chain_does(t *testing.T) {
	c := begin(t, nil)
	alice, h := c.alice.Public(), [32]byte{}
	for _, x := range []struct {
		name, want string
		pairs      []any
	}{
		{"set_weights", "070001000c010002002c010c6400c800ffff0700000000000000", []any{"netuid", 1, "dests", []uint16{1, 2, 300}, "weights", []uint16{100, 200, 65535}, "version_key", 7}},
		{"set_mechanism_weights", "07770100010c010002002c010c6400c800ffff0700000000000000", []any{"netuid", 1, "mecid", 1, "dests", []uint16{1, 2, 300}, "weights", []uint16{100, 200, 65535}, "version_key", 7}},
		{"commit_weights", "07600100" + strings.Repeat("00", 32), []any{"netuid", 1, "commit_hash", h[:]}},
		{"reveal_weights", "0761010004010004020008030004000700000000000000", []any{"netuid", 1, "uids", []uint16{1}, "values", []uint16{2}, "salt", []uint16{3, 4}, "version_key", 7}},
		{"commit_timelocked_weights", "077101000c01020339300000000000000400", []any{"netuid", 1, "commit", []byte{1, 2, 3}, "reveal_round", 12345, "commit_reveal_version", 4}},
		{"commit_timelocked_mechanism_weights", "07760100010c01020339300000000000000400", []any{"netuid", 1, "mecid", 1, "commit", []byte{1, 2, 3}, "reveal_round", 12345, "commit_reveal_version", 4}},
		{"serve_axon", "07040100090000000100007f0000000000000000000000009b1f04040000", []any{"netuid", 1, "version", 9, "ip", 0x7f000001, "port", 8091, "ip_type", 4, "protocol", 4, "placeholder1", 0, "placeholder2", 0}},
		{"burned_register", "07070100" + hex.EncodeToString(alice[:]), []any{"netuid", 1, "hotkey", alice[:]}},
	} {
		if got := hex.EncodeToString(c.call("SubtensorModule", x.name, x.pairs...)); got != x.want {
			t.Errorf("%s is %s, the chain has %s", x.name, got, x.want)
		}
	}
}

func TestMetadata_is_read_back_in_both_versions(t *testing.T) {
	r := New(Spec+1, tlock.Beacon{})
	for _, v := range []byte{14, 15} {
		b, ok := r.Metadata(v)
		m, err := scale.ParseMetadata(b)
		if !ok || err != nil {
			t.Fatal(v, ok, err)
		}
		if p, err := m.Pallet("SubtensorModule"); err != nil || p.Index != 8 || len(m.Extrinsic.Extensions) != 13 {
			t.Errorf("version %d: pallet %+v, %v; %d extensions", v, p, err, len(m.Extrinsic.Extensions))
		}
	}
	if _, ok := r.Metadata(16); ok {
		t.Error("there is no version 16")
	}
}

func TestSetWeights_checks_in_the_chains_order(t *testing.T) {
	all, even := []uint16{0, 1, 2}, []uint16{1, 2, 4}
	for _, x := range []struct {
		name  string
		uid   int
		call  func(*chain) []byte
		setup func(state)
		want  string
	}{
		{"good", 0, func(c *chain) []byte { return c.weights(1, all, even, 1) }, nil, ""},
		{"root comes first", 0, func(c *chain) []byte { return c.weights(0, all, even[:1], 0) }, func(s state) { s.put(false, "CommitRevealWeightsEnabled", 0) }, "CanNotSetRootNetworkWeights"},
		{"lengths before the subnet", 0, func(c *chain) []byte { return c.weights(9, all, even[:1], 0) }, func(s state) { s.put(false, "CommitRevealWeightsEnabled", 9) }, "WeightVecNotEqualSize"},
		{"subnet", 0, func(c *chain) []byte { return c.weights(9, all, even, 0) }, func(s state) { s.put(false, "CommitRevealWeightsEnabled", 9) }, "MechanismDoesNotExist"},
		{"too many before the version", 0, func(c *chain) []byte { return c.weights(1, make([]uint16, 6), make([]uint16, 6), 0) }, nil, "UidsLengthExceedUidsInSubNet"},
		{"registered", -1, func(c *chain) []byte { return c.weights(1, all, even, 0) }, nil, "HotKeyNotRegisteredInSubNet"},
		{"stake, early", 2, func(c *chain) []byte { return c.weights(1, all, even, 0) }, func(s state) { s.put(uint64(1e12)+1, "StakeThreshold") }, "Custom(1)"},
		{"version before the permit", 4, func(c *chain) []byte { return c.weights(1, all, even, 0) }, nil, "IncorrectWeightVersionKey"},
		{"rate, early", 0, func(c *chain) []byte { return c.weights(1, all, even, 1) }, func(s state) { s.setLastUpdate(1, 0, 1) }, "Custom(6)"},
		{"permit before duplicates", 4, func(c *chain) []byte { return c.weights(1, []uint16{1, 1}, []uint16{1, 1}, 1) }, nil, "NeuronNoValidatorPermit"},
		{"oneself needs no permit", 4, func(c *chain) []byte { return c.weights(1, []uint16{4}, []uint16{1}, 1) }, nil, ""},
		{"duplicates before uids", 0, func(c *chain) []byte { return c.weights(1, []uint16{9, 9}, []uint16{1, 1}, 1) }, nil, "DuplicateUids"},
		{"uids before the length", 0, func(c *chain) []byte { return c.weights(1, []uint16{9}, []uint16{1}, 1) }, func(s state) { s.put(2, "MinAllowedWeights", 1) }, "UidVecContainInvalidOne"},
		{"length", 0, func(c *chain) []byte { return c.weights(1, []uint16{1}, []uint16{1}, 1) }, func(s state) { s.put(2, "MinAllowedWeights", 1) }, "WeightVecLengthIsLow"},
		{"commit-reveal first of all", 0, func(c *chain) []byte { return c.weights(1, all, even[:1], 1) }, func(s state) { s.put(true, "CommitRevealWeightsEnabled", 1) }, "CommitRevealEnabled"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := begin(t, nil)
			if x.setup != nil {
				x.setup(c.state())
			}
			who := key(t, "//stranger")
			if x.uid >= 0 {
				who = c.keys[x.uid]
			}
			if got := c.submit(who, x.call(c)); got != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
	c := begin(t, nil)
	c.submit(c.keys[0], c.weights(1, all, even, 1))
	if got := c.row(0); got != "[[0 16384] [1 32768] [2 65535]]" || !c.emitted("WeightsSet") {
		t.Errorf("stored %s", got)
	}
}

func TestTransactions_that_are_not_right_are_refused_and_change_nothing(t *testing.T) {
	c := begin(t, nil)
	for range 9 {
		c.next()
	}
	call := c.weights(1, []uint16{1}, []uint16{1}, 1)
	nonce := func(n uint32) func(*signing) { return func(o *signing) { o.nonce = &n } }
	mortal := func(birth uint32) func(*signing) {
		return func(o *signing) { o.era, o.birth = []byte{byte(1 | birth%4<<4), 0}, birth } // period 4
	}
	flipped := c.sign(c.keys[0], call, nil)
	flipped[40] ^= 1
	long := append(slices.Clone(c.sign(c.keys[0], call, nil)), 0)
	for _, x := range []struct {
		name string
		xt   []byte
		want Kind
	}{
		{"forged", flipped, InvalidBadProof},
		{"another genesis", c.sign(c.keys[0], call, func(o *signing) { o.genesis = [32]byte{1} }), InvalidBadProof},
		{"another version", c.sign(c.keys[0], call, func(o *signing) { o.spec = 424 }), InvalidBadProof},
		{"expired", c.sign(c.keys[0], call, mortal(5)), InvalidBadProof},
		{"out of turn", c.sign(c.keys[0], call, nonce(1)), InvalidFuture},
		{"trailing byte", long, InvalidCall},
		{"trailing byte in the call", c.sign(c.keys[0], append(slices.Clone(call), 0), nil), InvalidCall},
		{"unknown call", c.sign(c.keys[0], []byte{7, 200}, nil), InvalidCall},
		{"commit too long", c.sign(c.keys[0], c.call("SubtensorModule", "commit_timelocked_weights", "netuid", 1, "commit", make([]byte, 5001), "reveal_round", 1, "commit_reveal_version", 4), nil), InvalidCall},
		{"no account", c.sign(c.keys[0], c.call("System", "remark", "remark", []byte("x")), nil), InvalidPayment},
		{"sudo by another", c.sign(key(t, "//Bob"), c.call("Sudo", "sudo", "call", scale.Choice{Name: "System", Value: scale.Choice{Name: "remark", Value: fields("remark", []byte{})}}), nil), InvalidBadSigner},
	} {
		before := len(c.events())
		var bad *Invalid
		if err := c.Apply(c.store, x.xt); !errors.As(err, &bad) || bad.Kind != x.want || len(c.events()) != before {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
	good := c.sign(c.keys[0], call, mortal(c.number-1))
	if v, err := c.Validate(c.store, good); err != nil || v.Longevity == 0 {
		t.Fatal(v, err)
	}
	if err := c.Apply(c.store, good); err != nil {
		t.Fatal(err)
	}
	var bad *Invalid
	if err := c.Apply(c.store, good); !errors.As(err, &bad) || bad.Kind != InvalidStale {
		t.Errorf("replayed: %v", err)
	}
	if v, err := c.Validate(c.store, c.sign(c.keys[0], call, nonce(3))); err == nil || len(v.Requires) != 0 {
		t.Error("a second set at once is too fast", v, err)
	}
}

func TestCommitReveal_by_hash_takes_the_one_epoch(t *testing.T) {
	c := begin(t, func(g *Genesis) { g.CommitReveal = V2 })
	who := c.keys[0].Public()
	v := reveal{[]uint16{1, 3}, []uint16{65535, 30000}, []uint16{9}, 1}
	commit := func() string {
		return c.submit(c.keys[0], c.call("SubtensorModule", "commit_weights", "netuid", 1, "commit_hash", v.hash(who[:], 1)))
	}
	open := func() string {
		return c.submit(c.keys[0], c.call("SubtensorModule", "reveal_weights", "netuid", 1, "uids", v.uids, "values", v.values, "salt", v.salt, "version_key", v.version))
	}
	for _, step := range []struct {
		do   func() string
		want string
	}{{open, "Custom(16)"}, {commit, ""}, {commit, "Custom(6)"}, {open, "Custom(17)"}} {
		if got := step.do(); got != step.want {
			t.Fatalf("got %q, want %q", got, step.want)
		}
	}
	for !c.emitted("IncentiveAlphaEmittedToMiners") {
		c.next()
	}
	if got := open(); got != "" || c.row(0) != "[[1 65535] [3 30000]]" || !c.emitted("WeightsRevealed") {
		t.Fatalf("got %q, %s", got, c.row(0))
	}
	c.next()
	if got := commit(); got != "" {
		t.Fatal(got)
	}
	for range 10 {
		c.next()
	}
	if got := open(); got != "Custom(17)" { // the guard tells late and early apart as little as the chain's does
		t.Errorf("too late: %q", got)
	}
}

func TestCommitReveal_by_timelock_opens_at_the_epoch_and_is_silent_when_it_fails(t *testing.T) {
	for _, x := range []struct {
		version int
		want    string
	}{{1, "[[1 65535] [2 32768]]"}, {0, "[]"}} {
		c := begin(t, func(g *Genesis) { g.CommitReveal = V4 })
		who := c.keys[0].Public()
		plain := scale.AppendBlob(nil, who[:])
		plain = append(plain, 8, 1, 0, 2, 0, 8, 2, 0, 1, 0)
		plain = binary.LittleEndian.AppendUint64(plain, uint64(x.version))
		next, _ := c.state().nextEpoch(1)
		round := c.signer.Beacon().Round(time.Unix(1_600_000_000+int64(next)*12, 0))
		commit, err := c.signer.Beacon().Encrypt(bytes.NewReader(bytes.Repeat([]byte{5}, 1000)), round, plain)
		if err != nil {
			t.Fatal(err)
		}
		send := func(version, round int) string {
			return c.submit(c.keys[0], c.call("SubtensorModule", "commit_timelocked_weights", "netuid", 1, "commit", commit, "reveal_round", round, "commit_reveal_version", version))
		}
		if got := send(3, int(round)); got != "IncorrectCommitRevealVersion" {
			t.Fatal(got)
		}
		if got := send(4, 1); got != "Custom(15)" {
			t.Fatal(got)
		}
		if got := send(4, int(round)); got != "" || !c.emitted("TimelockedWeightsCommitted") {
			t.Fatal(got)
		}
		if got := send(4, int(round)); got != "CommittingWeightsTooFast" {
			t.Fatal(got)
		}
		for uint64(c.number) < next {
			c.next()
		}
		if c.row(0) != x.want || c.emitted("TimelockedWeightsRevealed") != (x.version == 1) {
			t.Errorf("version %d: %s", x.version, c.row(0))
		}
	}
}

func TestCommitReveal_bounds_what_waits(t *testing.T) {
	c := begin(t, func(g *Genesis) { g.CommitReveal = V2 })
	c.state().put(0, "WeightsSetRateLimit", testNetuid)
	for i := range 11 {
		want := ""
		if i == 10 {
			want = "TooManyUnrevealedCommits"
		}
		if got := c.submit(c.keys[0], c.call("SubtensorModule", "commit_weights", "netuid", 1, "commit_hash", hash(uint32(i)))); got != want {
			t.Errorf("commit %d: %q, want %q", i, got, want)
		}
	}
}

func TestEpoch_pays_and_gives_permits_to_the_staked(t *testing.T) {
	c := begin(t, nil)
	for uid := range 3 {
		if got := c.submit(c.keys[uid], c.weights(1, []uint16{3, 4}, []uint16{3, 1}, 1)); got != "" {
			t.Fatal(got)
		}
	}
	for range 11 {
		c.next()
	}
	s := c.state()
	if in := s.numbers("Incentive", 1); in[3] <= in[4] || in[0] != 0 {
		t.Errorf("incentives %v", in)
	}
	if s.number("SubnetEpochIndex", 1) != 2 || s.number("LastEpochBlock", 1) != 10 {
		t.Errorf("epoch %d, last at %d", s.number("SubnetEpochIndex", 1), s.number("LastEpochBlock", 1))
	}
	if p := fmt.Sprint(s.flags("ValidatorPermit", 1)); p != "[true true true true true]" { // emission is stake
		t.Errorf("permits %s", p)
	}
}

func TestCoins_stake_and_registration(t *testing.T) {
	c := begin(t, nil)
	bob := key(t, "//Bob")
	hot := key(t, "//bobhot").Public()
	pub := bob.Public()
	for _, x := range []struct {
		call []byte
		want string
	}{
		{c.call("SubtensorModule", "burned_register", "netuid", 1, "hotkey", hot[:]), ""},
		{c.call("SubtensorModule", "burned_register", "netuid", 1, "hotkey", hot[:]), "HotKeyAlreadyRegisteredInSubNet"},
		{c.call("SubtensorModule", "add_stake", "hotkey", hot[:], "netuid", 1, "amount_staked", 1), "AmountTooLow"},
		{c.call("SubtensorModule", "add_stake", "hotkey", hot[:], "netuid", 1, "amount_staked", 5_000_000), ""},
		{c.call("SubtensorModule", "remove_stake", "hotkey", hot[:], "netuid", 1, "amount_unstaked", 2_000_000), ""},
		{c.call("Balances", "transfer_keep_alive", "dest", scale.Choice{Name: "Id", Value: hot[:]}, "value", 1_000_000), ""},
		{c.call("Balances", "transfer_keep_alive", "dest", scale.Choice{Name: "Id", Value: hot[:]}, "value", uint64(1e15)), "Token"},
	} {
		if got := c.submit(bob, x.call); got != x.want {
			t.Fatalf("got %q, want %q", got, x.want)
		}
	}
	s := c.state()
	if s.staked(hot[:], pub[:], 1) != 3_000_000 || s.account(hot[:]).free != 1_000_000 || s.number("SubnetworkN", 1) != 6 {
		t.Error(s.staked(hot[:], pub[:], 1), s.account(hot[:]), s.number("SubnetworkN", 1))
	}
	inner := scale.Choice{Name: "AdminUtils", Value: scale.Choice{Name: "sudo_set_max_allowed_uids", Value: fields("netuid", 1, "max_allowed_uids", 6)}}
	if got := c.submit(c.alice, c.call("Sudo", "sudo", "call", inner)); got != "" || s.number("MaxAllowedUids", 1) != 6 {
		t.Fatal(got)
	}
	other := key(t, "//other").Public()
	if got := c.submit(bob, c.call("SubtensorModule", "burned_register", "netuid", 1, "hotkey", other[:])); got != "" || s.has("Uids", 1, c.keys[0].Public()) {
		t.Error("the first of the weakest is replaced", got)
	}
}

func TestServeAxon_rules(t *testing.T) {
	c := begin(t, nil)
	serve := func(ip, port, kind int) []byte {
		return c.call("SubtensorModule", "serve_axon", "netuid", 1, "version", 1, "ip", ip, "port", port, "ip_type", kind, "protocol", 4, "placeholder1", 0, "placeholder2", 0)
	}
	for _, x := range []struct {
		ip, port, kind int
		want           string
	}{{0x7f000001, 1, 4, "Custom(11)"}, {0x7f000002, 0, 4, "Custom(13)"}, {0x7f000002, 1, 5, "Custom(255)"}, {0x7f000002, 1, 4, ""}, {0x7f000002, 1, 4, "Custom(12)"}} {
		if got := c.submit(c.keys[3], serve(x.ip, x.port, x.kind)); got != x.want {
			t.Errorf("%+v: %q", x, got)
		}
	}
	if got := c.submit(key(t, "//stranger"), serve(0x7f000002, 1, 4)); got != "Custom(10)" {
		t.Error(got)
	}
}

func TestCall_answers_decode_by_our_own_metadata(t *testing.T) {
	c := begin(t, nil)
	head := hash(c.number)
	xt := c.sign(c.keys[0], c.weights(1, []uint16{1}, []uint16{1}, 1), nil)
	alice := c.alice.Public()
	var asked []byte
	asked = append(asked, 1, 0, 0)
	asked = scale.AppendCompact(asked, 80)
	for i := range uint16(80) {
		asked = binary.LittleEndian.AppendUint16(asked, i)
	}
	for _, x := range []struct {
		api, f string
		args   []byte
	}{
		{"Core", "version", nil}, {"Metadata", "metadata", nil}, {"Metadata", "metadata_at_version", []byte{15, 0, 0, 0}}, {"Metadata", "metadata_versions", nil},
		{"AccountNonceApi", "account_nonce", alice[:]},
		{"TaggedTransactionQueue", "validate_transaction", bytes.Join([][]byte{{2}, xt, head[:]}, nil)},
		{"TransactionPaymentApi", "query_info", append(slices.Clone(xt), 0, 0, 0, 0)},
		{"NeuronInfoRuntimeApi", "get_neurons_lite", []byte{1, 0}},
		{"SubnetInfoRuntimeApi", "get_subnet_hyperparams_v3", []byte{1, 0}}, {"SubnetInfoRuntimeApi", "get_metagraph", []byte{1, 0}},
		{"SubnetInfoRuntimeApi", "get_selective_mechagraph", asked}, {"SubnetInfoRuntimeApi", "get_selective_metagraph", []byte{1, 0, 4, 52, 0}},
		{"SubnetInfoRuntimeApi", "get_next_epoch_start_block", []byte{1, 0}}, {"SubnetInfoRuntimeApi", "get_metagraph", []byte{9, 0}},
	} {
		b, err := c.Runtime.Call(c.store, x.api+"_"+x.f, x.args)
		if err != nil {
			t.Errorf("%s: %v", x.f, err)
			continue
		}
		m, err := c.meta.Method(x.api, x.f)
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.meta.DecodeAll(m.Output, b)
		if err != nil {
			t.Errorf("%s: %v", x.f, err)
		}
		if x.f == "validate_transaction" && v.(scale.Choice).Name != "Ok" {
			t.Errorf("not valid: %v", v)
		}
	}
	if _, err := c.Runtime.Call(c.store, "Core_nothing", nil); !errors.Is(err, ErrNoFunction) {
		t.Error(err)
	}
}

func FuzzForeignBytes(f *testing.F) {
	r := New(Spec, tlock.Beacon{})
	f.Add([]byte{8, 4, 2}, "Core_version")
	f.Add([]byte{1, 0, 0, 4, 52, 0}, "SubnetInfoRuntimeApi_get_selective_mechagraph")
	f.Add(append([]byte{0xa1, 1, 0x84}, make([]byte, 102)...), "TaggedTransactionQueue_validate_transaction")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		s := memory{}
		if err := r.Genesis(s, Genesis{Netuid: 1}); err != nil {
			t.Fatal(err)
		}
		r.Begin(s, Block{Number: 1})
		_, _ = r.Validate(s, b)
		_ = r.Apply(s, b)
		_, _ = r.Call(s, name, b)
		_, _ = r.decodeCall(b)
	})
}
