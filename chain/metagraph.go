package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/scale"
)

// A Metagraph is a subnet at one block: who is in it, and what the last epoch made of them.
type Metagraph struct {
	Netuid     uint16
	Block      uint64
	Tempo      uint64 // blocks of an epoch
	LastStep   uint64 // the last epoch's block
	MinWeights uint64 // min_allowed_weights
	VersionKey uint64 // weights_version_key
	RateLimit  uint64 // weights_rate_limit, blocks
	CommitMode bool   // commit_reveal_weights_enabled
	Neurons    []Neuron
}

// A Neuron is one place of a subnet. Incentive, Dividends, Trust and Consensus are 65535ths.
type Neuron struct {
	UID        uint16
	Hotkey     [32]byte
	Coldkey    [32]byte
	Stake      uint64 // rao, as the chain weighs it on the subnet
	Permit     bool   // validator permit
	Active     bool
	LastUpdate uint64 // the block of the last weights, or commit
	Registered uint64 // block
	Incentive  uint16
	Dividends  uint16
	Trust      uint16
	Consensus  uint16
	Emission   uint64 // rao an epoch
	Axon       netip.AddrPort
}

// graphKey is what a metagraph is cached by.
type graphKey struct {
	block  Hash
	netuid uint16
}

// maxGraphs bounds the cached metagraphs: those of one block for a few subnets.
const maxGraphs = 8

// selected are the fields that are asked for, of SelectiveMetagraphIndex (pallets/subtensor/src/rpc_info/metagraph.rs): Block, Tempo, LastStep, MinAllowedWeights,
// WeightsVersion, WeightsRateLimit, CommitRevealWeightsEnabled, Hotkeys, Coldkeys, Axons, Active, ValidatorPermit, LastUpdate, Emission, Dividends, Incentives, Consensus,
// Trust, BlockAtRegistration, TotalStake.
var selected = []uint16{7, 8, 9, 24, 26, 27, 46, 52, 53, 55, 56, 57, 59, 60, 61, 62, 63, 64, 66, 69}

// ErrNoSubnet says that the chain has no subnet of a netuid.
var ErrNoSubnet = errors.New("there is no such subnet")

// Metagraph reads a subnet, by a runtime API where the runtime tells its types, else from storage. It is read once for each block.
func (s *State) Metagraph(ctx context.Context, netuid uint16) (*Metagraph, error) {
	key := graphKey{s.Hash, netuid}
	s.client.mu.Lock()
	g := s.client.graphs[key]
	s.client.mu.Unlock()
	if g != nil {
		return g, nil
	}
	added, err := s.flag(ctx, subtensor, "NetworksAdded", netuid)
	if err != nil {
		return nil, err
	}
	if !added {
		return nil, fmt.Errorf("netuid %d: %w", netuid, ErrNoSubnet)
	}
	if g, err = s.readGraph(ctx, netuid); err != nil {
		return nil, err
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if len(s.client.graphs) >= maxGraphs {
		clear(s.client.graphs)
	}
	s.client.graphs[key] = g
	return g, nil
}

func (s *State) readGraph(ctx context.Context, netuid uint16) (*Metagraph, error) {
	const api = "SubnetInfoRuntimeApi"
	for _, try := range []struct {
		method string
		args   []any
	}{
		{"get_selective_mechagraph", []any{netuid, 0, selected}},
		{"get_selective_metagraph", []any{netuid, selected}},
		{"get_metagraph", []any{netuid}},
	} {
		v, err := s.Call(ctx, api, try.method, try.args...)
		if g := (*Metagraph)(nil); err == nil {
			if g, err = s.graph(netuid, v); err == nil {
				return g, nil
			}
		}
		var refused *rpc.Error
		if !errors.Is(err, ErrUnknown) && !errors.As(err, &refused) && !errors.Is(err, errIncomplete) && !errors.Is(err, scale.ErrShort) {
			return nil, err
		}
	}
	return s.graphFromStorage(ctx, netuid)
}

// errIncomplete says that a reply lacks what makes a metagraph.
var errIncomplete = errors.New("the metagraph is incomplete")

// graph reads a metagraph from a reply of any of the runtime APIs, whose fields have the same names.
func (s *State) graph(netuid uint16, v any) (*Metagraph, error) {
	hotkeys := list(member(v, "hotkeys"))
	if v == nil || member(v, "hotkeys") == nil {
		return nil, errIncomplete
	}
	n := func(name string) uint64 { u, _ := member(v, name).(uint64); return u }
	g := &Metagraph{Netuid: netuid, Block: s.Number, Tempo: n("tempo"), LastStep: n("last_step"), MinWeights: n("min_allowed_weights"), VersionKey: n("weights_version"),
		RateLimit: n("weights_rate_limit"), Neurons: make([]Neuron, len(hotkeys))}
	g.CommitMode, _ = member(v, "commit_reveal_weights_enabled").(bool)
	for i := range g.Neurons {
		x := &g.Neurons[i]
		u16 := func(name string) uint16 { return uint16(at(member(v, name), i)) }
		x.UID, x.Hotkey, x.Coldkey = uint16(i), account(hotkeys[i]), account(element(member(v, "coldkeys"), i))
		x.Permit, _ = element(member(v, "validator_permit"), i).(bool)
		x.Active, _ = element(member(v, "active"), i).(bool)
		x.Stake, x.LastUpdate, x.Registered = at(member(v, "total_stake"), i), at(member(v, "last_update"), i), at(member(v, "block_at_registration"), i)
		x.Incentive, x.Dividends, x.Trust, x.Consensus = u16("incentives"), u16("dividends"), u16("trust"), u16("consensus")
		x.Emission, x.Axon = at(member(v, "emission"), i), axon(element(member(v, "axons"), i))
	}
	return g, nil
}

func element(v any, i int) any {
	if all := list(v); i < len(all) {
		return all[i]
	}
	return nil
}

func account(v any) (a [32]byte) {
	b, _ := v.([]byte)
	copy(a[:], b)
	return a
}

// axon reads where a miner serves; nothing where it serves nowhere.
func axon(v any) netip.AddrPort {
	ip := scale.Big(member(v, "ip"))
	port, _ := member(v, "port").(uint64)
	if ip == nil || ip.Sign() <= 0 || ip.BitLen() > 128 || port == 0 {
		return netip.AddrPort{}
	}
	if kind, _ := member(v, "ip_type").(uint64); kind == 4 {
		if !ip.IsUint64() || ip.Uint64()>>32 != 0 {
			return netip.AddrPort{}
		}
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(ip.Uint64()))
		return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip.FillBytes(make([]byte, 16)))), uint16(port))
}

// graphFromStorage reads a metagraph from the storage maps, for runtimes that do not tell the types of their APIs.
func (s *State) graphFromStorage(ctx context.Context, netuid uint16) (*Metagraph, error) {
	g := &Metagraph{Netuid: netuid, Block: s.Number}
	for _, x := range []struct {
		to    *uint64
		entry string
	}{
		{&g.Tempo, "Tempo"}, {&g.LastStep, "LastMechansimStepBlock"}, {&g.MinWeights, "MinAllowedWeights"}, {&g.VersionKey, "WeightsVersionKey"},
		{&g.RateLimit, "WeightsSetRateLimit"},
	} {
		var err error
		if *x.to, err = s.numberOr(ctx, 0, subtensor, x.entry, netuid); err != nil {
			return nil, err
		}
	}
	var err error
	if g.CommitMode, err = s.flag(ctx, subtensor, "CommitRevealWeightsEnabled", netuid); err != nil {
		return nil, err
	}
	keys, err := s.Map(ctx, subtensor, "Keys", netuid)
	if err != nil {
		return nil, err
	}
	g.Neurons = make([]Neuron, len(keys))
	for _, k := range keys {
		uid, _ := element(k.Keys, 0).(uint64)
		if int(uid) >= len(keys) {
			return nil, fmt.Errorf("netuid %d: uid %d of %d: %w", netuid, uid, len(keys), errIncomplete)
		}
		g.Neurons[uid] = Neuron{UID: uint16(uid), Hotkey: account(k.Value)}
	}
	return g, s.columns(ctx, g)
}

// stakes are where runtimes keep a hotkey's stake, of all subnets or of one: those until 2024, those of the end of 2024, and those of dynamic TAO.
var stakes = []struct {
	name string
	keys int
}{{"TotalHotkeyStake", 1}, {"TotalHotkeySubStake", 2}, {"TotalHotkeyAlpha", 2}}

// columns reads what storage keeps of a subnet's neurons.
func (s *State) columns(ctx context.Context, g *Metagraph) error {
	lists := map[string]any{}
	for _, entry := range []string{"ValidatorPermit", "Active", "LastUpdate", "Incentive", "Dividends", "Trust", "Consensus", "Emission"} {
		v, err := s.Get(ctx, subtensor, entry, g.Netuid)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return err
		}
		lists[entry] = v
	}
	registered, err := s.Map(ctx, subtensor, "BlockAtRegistration", g.Netuid)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	for _, r := range registered {
		if uid := at(r.Keys, 0); uid < uint64(len(g.Neurons)) {
			g.Neurons[uid].Registered, _ = r.Value.(uint64)
		}
	}
	for i := range g.Neurons {
		x := &g.Neurons[i]
		u16 := func(name string) uint16 { return uint16(at(lists[name], i)) }
		x.Permit, _ = element(lists["ValidatorPermit"], i).(bool)
		x.Active, _ = element(lists["Active"], i).(bool)
		x.LastUpdate, x.Emission = at(lists["LastUpdate"], i), at(lists["Emission"], i)
		x.Incentive, x.Dividends, x.Trust, x.Consensus = u16("Incentive"), u16("Dividends"), u16("Trust"), u16("Consensus")
		if owner, err := s.Get(ctx, subtensor, "Owner", x.Hotkey); err == nil {
			x.Coldkey = account(owner)
		} else if !errors.Is(err, ErrUnknown) {
			return err
		}
		for _, entry := range stakes {
			keys := []any{x.Hotkey, g.Netuid}[:entry.keys]
			if n, err := s.numberOr(ctx, 0, subtensor, entry.name, keys...); err == nil && n > 0 {
				x.Stake = n
				break
			} else if err != nil && !errors.Is(err, scale.ErrShort) {
				return err
			}
		}
		served, err := s.Get(ctx, subtensor, "Axons", g.Netuid, x.Hotkey)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return err
		}
		x.Axon = axon(served)
	}
	return nil
}

// A Change is a place of a subnet that has another hotkey than before: whoever scored the old one must begin anew.
type Change struct {
	UID      uint16
	Old, New [32]byte // zero: nobody
}

// Changes are the places that changed hands from an earlier metagraph of the subnet to a later one.
func Changes(before, after *Metagraph) []Change {
	var all []Change
	for i := range max(len(before.Neurons), len(after.Neurons)) {
		c := Change{UID: uint16(i)}
		if i < len(before.Neurons) {
			c.Old = before.Neurons[i].Hotkey
		}
		if i < len(after.Neurons) {
			c.New = after.Neurons[i].Hotkey
		}
		if c.Old != c.New {
			all = append(all, c)
		}
	}
	return all
}
