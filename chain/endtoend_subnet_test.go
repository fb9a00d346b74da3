package chain_test

import (
	"context"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/scale"
)

// takeSudo finds out whether //Alice is sudo. Chains whose storage may be written, such as chopsticks, make her so, and rich if she is to make a subnet.
func (n *network) takeSudo(t *testing.T, ctx context.Context) {
	t.Helper()
	alice := mustURI("//Alice").Public()
	is := func() bool {
		v, err := n.head(t, ctx).Get(ctx, "Sudo", "Key")
		b, _ := v.([]byte)
		return err == nil && string(b) == string(alice[:])
	}
	if n.root = is(); n.root && *netuid >= 0 || *endpoint == "" {
		return
	}
	if n.head(t, ctx).Number == 0 {
		n.nextBlock(t, ctx) // whose migrations would undo what is written
	}
	s := n.head(t, ctx)
	var pairs [][2]string
	put := func(pallet, entry string, value any, keys ...any) {
		key, err := s.Runtime.StorageKey(pallet, entry, keys...)
		_, e, _ := s.Runtime.Entry(pallet, entry)
		if err != nil {
			return
		}
		if b, err := s.Runtime.Encode(nil, e.Value, value); err == nil {
			pairs = append(pairs, [2]string{"0x" + hex.EncodeToString(key), "0x" + hex.EncodeToString(b)})
		}
	}
	put("Sudo", "Key", alice)
	put("Balances", "TotalIssuance", uint64(20e15))
	for _, uri := range []string{"//Alice", "//Bob"} {
		v, err := s.Get(ctx, "System", "Account", mustURI(uri).Public())
		if err != nil {
			t.Fatal(err)
		}
		info := slices.Clone(v.(scale.Struct))
		for i, m := range info {
			switch m.Name {
			case "providers":
				info[i].Value = 1
			case "data":
				data := slices.Clone(m.Value.(scale.Struct))
				data[0].Value = uint64(1e15)
				info[i].Value = data
			}
		}
		put("System", "Account", info, mustURI(uri).Public())
	}
	if err := n.client.RPC().Call(ctx, nil, "dev_setStorage", pairs); err == nil {
		n.root = is()
	}
}

// provision makes a subnet of four hotkeys on a development chain, the first of which has stake, and waits until it has a permit.
func (n *network) provision(t *testing.T, ctx context.Context) {
	t.Helper()
	alice := mustURI("//Alice")
	rt := n.head(t, ctx).Runtime
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("make a subnet: %v", err)
		}
	}
	before := n.networks(t, ctx)
	if _, _, err := rt.Call("SubtensorModule", "register_network"); err == nil {
		if err := n.sudo(ctx, "AdminUtils", "sudo_set_network_rate_limit", uint64(0)); err != nil {
			t.Log(err)
		}
		must(n.submit(ctx, alice, "SubtensorModule", "register_network", arguments(rt, "register_network", mustURI("//Alice//owner").Public(), 1)...))
	} else {
		must(n.sudo(ctx, "SubtensorModule", "sudo_add_network", slices.Max(append(before, 0))+1, 10, 0))
	}
	for _, netuid := range n.networks(t, ctx) {
		if !slices.Contains(before, netuid) {
			n.netuid = netuid
		}
	}
	for _, s := range []struct {
		call  string
		value any
	}{
		{"sudo_set_tempo", 10}, {"sudo_set_network_registration_allowed", true}, {"sudo_set_max_registrations_per_block", 20}, {"sudo_set_target_registrations_per_interval", 100},
		{"sudo_set_max_allowed_validators", 64}, {"sudo_set_min_allowed_weights", 1}, {"sudo_set_max_weight_limit", 65535}, {"sudo_set_weights_set_rate_limit", uint64(0)},
		{"sudo_set_serving_rate_limit", uint64(0)}, {"sudo_set_commit_reveal_weights_enabled", false}, {"sudo_set_min_burn", uint64(1000)},
	} {
		n.set(t, ctx, s.call, s.value)
	}
	for _, s := range []struct {
		call  string
		value uint64
	}{{"sudo_set_weights_min_stake", 0}, {"sudo_set_stake_threshold", 0}, {"sudo_set_target_stakes_per_interval", 1000}} {
		if _, _, err := rt.Call("AdminUtils", s.call); err != nil {
			continue
		}
		if err := n.sudo(ctx, "AdminUtils", s.call, s.value); err != nil {
			t.Log(err)
		}
	}
	if _, _, err := rt.Call("SubtensorModule", "start_call"); err == nil {
		if err := n.submit(ctx, alice, "SubtensorModule", "start_call", n.netuid); err != nil {
			t.Log(err)
		}
	}
	n.validator, n.writes = mustURI("//Alice//hot"), true
	_, _, err := rt.Call("SubtensorModule", "sudo_register")
	asRoot := err == nil // which gives stake as well
	for _, who := range []struct {
		hot, cold string
		stake     uint64
	}{{"//Alice//hot", "//Alice", 2e12}, {"//Bob//hot", "//Bob", 0}, {"//Alice//hot2", "//Alice", 0}} {
		hot, cold := mustURI(who.hot).Public(), mustURI(who.cold)
		if asRoot {
			must(n.sudo(ctx, "SubtensorModule", "sudo_register", n.netuid, hot, cold.Public(), who.stake, uint64(1e12)))
			continue
		}
		must(n.submit(ctx, cold, "SubtensorModule", "burned_register", n.netuid, hot))
		if who.stake > 0 {
			args, add := []any{hot, n.netuid, who.stake}, "add_subnet_stake"
			if _, _, err := rt.Call("SubtensorModule", add); err != nil {
				add = "add_stake"
			}
			if _, call, err := rt.Call("SubtensorModule", add); err == nil && len(call.Fields) == 2 {
				args = slices.Delete(args, 1, 2) // stake that is not a subnet's
			}
			must(n.submit(ctx, cold, "SubtensorModule", add, args...))
		}
	}
	n.permit(t, ctx)
}

// networks are the netuids that there are.
func (n *network) networks(t *testing.T, ctx context.Context) []uint16 {
	t.Helper()
	pairs, err := n.head(t, ctx).Map(ctx, "SubtensorModule", "NetworksAdded")
	if err != nil {
		t.Fatal(err)
	}
	var all []uint16
	for _, p := range pairs {
		if p.Value == true {
			all = append(all, uint16(p.Keys[0].(uint64)))
		}
	}
	return all
}

// arguments cuts arguments to as many as this runtime's call takes.
func arguments(rt *chain.Runtime, call string, args ...any) []any {
	_, v, err := rt.Call("SubtensorModule", call)
	if err != nil {
		return args
	}
	return args[:min(len(args), len(v.Fields))]
}

// permit waits until the validator may set weights.
func (n *network) permit(t *testing.T, ctx context.Context) {
	t.Helper()
	for {
		w, err := n.head(t, ctx).Window(ctx, n.netuid, 0, n.validator.Public())
		if err != nil {
			t.Fatal(err)
		}
		if w.Permit {
			return
		}
		n.nextBlock(t, ctx)
	}
}
