package runtime

import (
	"math/big"
	"strings"

	"github.com/vision19/vision/chain/scale"
)

// subnetView is what the metagraph's fields are read from.
type subnetView struct {
	state
	netuid, index uint64
	hotkeys       [][]byte
}

// metagraph are the fields of Metagraph, and in the same order those of SelectiveMetagraph, where each but netuid is an Option and the place of a field is
// the index by which one asks for it (rpc_info/metagraph.rs). read nil means that the local chain has nothing to say: the type's zero.
var metagraph = []struct {
	name, typ string
	read      func(subnetView) any
}{
	{"netuid", "Compact<NetUid>", func(v subnetView) any { return v.netuid }},
	{"name", "Vec<Compact<u8>>", func(v subnetView) any { return []byte("devnet") }},
	{"symbol", "Vec<Compact<u8>>", func(v subnetView) any { return v.state.bytes("TokenSymbol", v.netuid) }},
	{"identity", "Option<SubnetIdentityV3>", nil},
	{"network_registered_at", "Compact<u64>", of("NetworkRegisteredAt")},
	{"owner_hotkey", "AccountId32", of("SubnetOwnerHotkey")},
	{"owner_coldkey", "AccountId32", of("SubnetOwner")},
	{"block", "Compact<u64>", func(v subnetView) any { return v.block() }},
	{"tempo", "Compact<u16>", of("Tempo")},
	{"last_step", "Compact<u64>", of("LastMechansimStepBlock")},
	{"blocks_since_last_step", "Compact<u64>", func(v subnetView) any {
		return v.block() - min(v.number("LastMechansimStepBlock", v.netuid), v.block())
	}},
	{"subnet_emission", "Compact<u64>", nil},
	{"alpha_in", "Compact<u64>", nil},
	{"alpha_out", "Compact<u64>", nil},
	{"tao_in", "Compact<u64>", nil},
	{"alpha_out_emission", "Compact<u64>", nil},
	{"alpha_in_emission", "Compact<u64>", nil},
	{"tao_in_emission", "Compact<u64>", nil},
	{"pending_alpha_emission", "Compact<u64>", func(v subnetView) any {
		return v.number("PendingServerEmission", v.netuid) + v.number("PendingValidatorEmission", v.netuid)
	}},
	{"pending_root_emission", "Compact<u64>", nil},
	{"subnet_volume", "Compact<u128>", nil},
	{"moving_price", "FixedI128", nil},
	{"rho", "Compact<u16>", of("Rho")},
	{"kappa", "Compact<u16>", of("Kappa")},
	{"min_allowed_weights", "Compact<u16>", of("MinAllowedWeights")},
	{"max_weights_limit", "Compact<u16>", func(subnetView) any { return 65535 }},
	{"weights_version", "Compact<u64>", of("WeightsVersionKey")},
	{"weights_rate_limit", "Compact<u64>", of("WeightsSetRateLimit")},
	{"activity_cutoff", "Compact<u64>", func(v subnetView) any { return v.cutoff(v.netuid) }},
	{"max_validators", "Compact<u16>", of("MaxAllowedValidators")},
	{"num_uids", "Compact<u16>", of("SubnetworkN")},
	{"max_uids", "Compact<u16>", of("MaxAllowedUids")},
	{"burn", "Compact<u64>", of("Burn")},
	{"difficulty", "Compact<u64>", nil},
	{"registration_allowed", "bool", of("NetworkRegistrationAllowed")},
	{"pow_registration_allowed", "bool", nil},
	{"immunity_period", "Compact<u16>", of("ImmunityPeriod")},
	{"min_difficulty", "Compact<u64>", nil},
	{"max_difficulty", "Compact<u64>", nil},
	{"min_burn", "Compact<u64>", of("Burn")},
	{"max_burn", "Compact<u64>", of("Burn")},
	{"adjustment_alpha", "Compact<u64>", nil},
	{"adjustment_interval", "Compact<u16>", nil},
	{"target_regs_per_interval", "Compact<u16>", nil},
	{"max_regs_per_block", "Compact<u16>", nil},
	{"serving_rate_limit", "Compact<u64>", of("ServingRateLimit")},
	{"commit_reveal_weights_enabled", "bool", of("CommitRevealWeightsEnabled")},
	{"commit_reveal_period", "Compact<u64>", of("RevealPeriodEpochs")},
	{"liquid_alpha_enabled", "bool", nil},
	{"alpha_high", "Compact<u16>", nil},
	{"alpha_low", "Compact<u16>", nil},
	{"bonds_moving_avg", "Compact<u64>", of("BondsMovingAverage")},
	{"hotkeys", "Vec<AccountId32>", func(v subnetView) any { return v.hotkeys }},
	{"coldkeys", "Vec<AccountId32>", func(v subnetView) any { return v.each(func(key []byte) any { return v.state.bytes("Owner", key) }) }},
	{"identities", "Vec<Option<ChainIdentityV2>>", func(v subnetView) any { return v.each(func([]byte) any { return nil }) }},
	{"axons", "Vec<AxonInfo>", func(v subnetView) any { return v.each(func(key []byte) any { return v.axon(v.netuid, key) }) }},
	{"active", "Vec<bool>", of("Active")},
	{"validator_permit", "Vec<bool>", of("ValidatorPermit")},
	{"pruning_score", "Vec<Compact<u16>>", nil},
	{"last_update", "Vec<Compact<u64>>", func(v subnetView) any { return v.numbers("LastUpdate", v.index) }},
	{"emission", "Vec<Compact<u64>>", of("Emission")},
	{"dividends", "Vec<Compact<u16>>", of("Dividends")},
	{"incentives", "Vec<Compact<u16>>", func(v subnetView) any { return v.numbers("Incentive", v.index) }},
	{"consensus", "Vec<Compact<u16>>", of("Consensus")},
	{"trust", "Vec<Compact<u16>>", nil},
	{"rank", "Vec<Compact<u16>>", nil},
	{"block_at_registration", "Vec<Compact<u64>>", func(v subnetView) any {
		blocks := make([]uint64, len(v.hotkeys))
		for uid := range blocks {
			blocks[uid] = v.number("BlockAtRegistration", v.netuid, uid)
		}
		return blocks
	}},
	{"alpha_stake", "Vec<Compact<u64>>", subnetView.stakes},
	{"tao_stake", "Vec<Compact<u64>>", func(v subnetView) any { return make([]uint64, len(v.hotkeys)) }},
	{"total_stake", "Vec<Compact<u64>>", subnetView.stakes},
	{"tao_dividends_per_hotkey", "Vec<(AccountId32, Compact<u64>)>", nil},
	{"alpha_dividends_per_hotkey", "Vec<(AccountId32, Compact<u64>)>", nil},
}

// selective are the fields that only SelectiveMetagraph has.
var selective = []struct {
	name, typ string
	read      func(subnetView) any
}{
	{"validators", "Vec<Compact<u16>>", func(v subnetView) any {
		uids := []uint16{}
		for uid, permit := range v.flags("ValidatorPermit", v.netuid) {
			if permit {
				uids = append(uids, uint16(uid))
			}
		}
		return uids
	}},
	{"commitments", "Vec<(AccountId32, Vec<Compact<u8>>)>", nil},
}

func of(entry string) func(subnetView) any {
	return func(v subnetView) any { return v.get(entry, v.netuid) }
}

func (v subnetView) each(f func(hotkey []byte) any) any {
	out := make([]any, len(v.hotkeys))
	for i, key := range v.hotkeys {
		out[i] = f(key)
	}
	return out
}

func (v subnetView) stakes() any {
	return v.each(func(key []byte) any { return v.number("TotalHotkeyAlpha", key, v.netuid) })
}

// axon is where a hotkey listens, or zeros.
func (s state) axon(netuid uint64, hotkey []byte) any {
	if a := s.get("Axons", netuid, hotkey); a != nil {
		return a
	}
	return fields("block", 0, "version", 0, "ip", new(big.Int), "port", 0, "ip_type", 0, "protocol", 0, "placeholder1", 0, "placeholder2", 0)
}

func defineMetagraph(reg *registry) {
	var whole, parts []string
	for i, f := range append(metagraph[:len(metagraph):len(metagraph)], selective...) {
		if i < len(metagraph) {
			whole = append(whole, f.name+": "+f.typ)
		}
		if i == 0 {
			parts = append(parts, whole[0])
		} else {
			parts = append(parts, f.name+": Option<"+f.typ+">")
		}
	}
	reg.define("Metagraph", "pallet_subtensor::rpc_info::metagraph::Metagraph", "{"+strings.Join(whole, ", ")+"}")
	reg.define("SelectiveMetagraph", "pallet_subtensor::rpc_info::metagraph::SelectiveMetagraph", "{"+strings.Join(parts, ", ")+"}")
}

func (s state) view(netuid, mecid uint64) subnetView {
	v := subnetView{state: s, netuid: netuid, index: index(netuid, mecid)}
	for uid := range s.number("SubnetworkN", netuid) {
		v.hotkeys = append(v.hotkeys, s.bytes("Keys", netuid, uid))
	}
	return v
}

// metagraphOf appends an Option of the whole metagraph, or of those fields that are asked for.
func (s state) metagraphOf(netuid, mecid uint64, whole bool, asked []uint16) ([]byte, error) {
	if !s.flag("NetworksAdded", netuid) {
		return []byte{0}, nil
	}
	v, out := s.view(netuid, mecid), []byte{1}
	wanted := map[int]bool{}
	for _, i := range asked {
		wanted[int(i)] = true
	}
	all := metagraph
	if !whole {
		all = append(metagraph[:len(metagraph):len(metagraph)], selective...)
	}
	for i, f := range all {
		switch {
		case whole || i == 0:
		case !wanted[i]:
			out = append(out, 0)
			continue
		default:
			out = append(out, 1)
		}
		if f.read == nil {
			out = append(out, s.zeros[f.typ]...)
			continue
		}
		var err error
		if out, err = s.meta.Encode(out, s.ids[f.typ], f.read(v)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// neuronsLite appends all neurons of a subnet.
func (s state) neuronsLite(netuid uint64) any {
	v := s.view(netuid, 0)
	at := func(all []uint64, uid int) uint64 {
		if uid < len(all) {
			return all[uid]
		}
		return 0
	}
	active, permits := s.flags("Active", netuid), s.flags("ValidatorPermit", netuid)
	emissions, incentives, consensus := s.numbers("Emission", netuid), s.numbers("Incentive", netuid), s.numbers("Consensus", netuid)
	trust, dividends, updates := s.numbers("ValidatorTrust", netuid), s.numbers("Dividends", netuid), s.numbers("LastUpdate", netuid)
	all := make([]any, len(v.hotkeys))
	for uid, key := range v.hotkeys {
		coldkey := s.bytes("Owner", key)
		all[uid] = fields("hotkey", key, "coldkey", coldkey, "uid", uid, "netuid", netuid, "active", uid < len(active) && active[uid],
			"axon_info", s.axon(netuid, key), "prometheus_info", fields("block", 0, "version", 0, "ip", 0, "port", 0, "ip_type", 0),
			"stake", []any{[]any{coldkey, s.number("TotalHotkeyAlpha", key, netuid)}}, "rank", 0, "emission", at(emissions, uid),
			"incentive", at(incentives, uid), "consensus", at(consensus, uid), "trust", 0, "validator_trust", at(trust, uid),
			"dividends", at(dividends, uid), "last_update", at(updates, uid), "validator_permit", uid < len(permits) && permits[uid], "pruning_score", 0)
	}
	return all
}

// hyperparams is get_subnet_hyperparams_v3: those that the local chain has, by the chain's names.
func (s state) hyperparams(netuid uint64) any {
	if !s.flag("NetworksAdded", netuid) {
		return nil
	}
	all := []any{}
	for _, p := range []struct{ name, kind, entry string }{
		{"kappa", "U16", "Kappa"}, {"immunity_period", "U16", "ImmunityPeriod"}, {"min_allowed_weights", "U16", "MinAllowedWeights"}, {"tempo", "U16", "Tempo"},
		{"weights_version", "U64", "WeightsVersionKey"}, {"weights_rate_limit", "U64", "WeightsSetRateLimit"},
		{"activity_cutoff_factor", "U32", "ActivityCutoffFactorMilli"}, {"registration_allowed", "Bool", "NetworkRegistrationAllowed"},
		{"min_burn", "TaoBalance", "Burn"}, {"max_burn", "TaoBalance", "Burn"}, {"bonds_moving_avg", "U64", "BondsMovingAverage"},
		{"serving_rate_limit", "U64", "ServingRateLimit"}, {"max_validators", "U16", "MaxAllowedValidators"}, {"commit_reveal_period", "U64", "RevealPeriodEpochs"},
		{"commit_reveal_weights_enabled", "Bool", "CommitRevealWeightsEnabled"}, {"subnet_is_active", "Bool", "SubtokenEnabled"},
	} {
		all = append(all, fields("name", []byte(p.name), "value", scale.Choice{Name: p.kind, Value: s.get(p.entry, netuid)}))
	}
	return append(all,
		fields("name", []byte("max_weights_limit"), "value", scale.Choice{Name: "U16", Value: 65535}),
		fields("name", []byte("activity_cutoff"), "value", scale.Choice{Name: "U64", Value: s.cutoff(netuid)}))
}
