package runtime

import (
	"math/bits"
	"slices"

	"github.com/vision19/vision/chain/scale"
)

// maxUIDs bounds a subnet, as SubtensorInitialMaxAllowedUids does.
const maxUIDs = 256

// index is a mechanism's number in the storage: subnets/mechanism.rs.
func index(netuid, mecid uint64) uint64 { return min(mecid*4096+netuid, 65535) }

func (s state) mechanismExists(netuid, mecid uint64) bool {
	return s.flag("NetworksAdded", netuid) && s.number("MechanismCountCurrent", netuid) > mecid
}

// setWeights checks and stores weights, in the order of internal_set_weights in subnets/weights.rs. It is what a reveal runs too.
func (s state) setWeights(hotkey []byte, netuid, mecid uint64, uids, values []uint16, version uint64) error {
	idx, block, n := index(netuid, mecid), s.block(), s.number("SubnetworkN", netuid)
	switch {
	case netuid == 0:
		return fail("CanNotSetRootNetworkWeights")
	case len(uids) != len(values):
		return fail("WeightVecNotEqualSize")
	case !s.mechanismExists(netuid, mecid):
		return fail("MechanismDoesNotExist")
	case uint64(len(uids)) > n:
		return fail("UidsLengthExceedUidsInSubNet")
	}
	registered, ok := s.get("Uids", netuid, hotkey).(uint64)
	if !ok {
		return fail("HotKeyNotRegisteredInSubNet")
	}
	if !s.enoughStake(hotkey, netuid) {
		return fail("NotEnoughStakeToSetWeights")
	}
	if least := s.number("WeightsVersionKey", netuid); least != 0 && version < least {
		return fail("IncorrectWeightVersionKey")
	}
	hidden := s.flag("CommitRevealWeightsEnabled", netuid)
	if !hidden && !s.rested(netuid, mecid, registered) {
		return fail("SettingWeightsTooFast")
	}
	alone := len(uids) == 1 && uint64(uids[0]) == registered
	permits := s.flags("ValidatorPermit", netuid)
	owner, owned := s.ownerUID(netuid)
	if !alone && !(owned && owner == registered) && !(registered < uint64(len(permits)) && permits[registered]) {
		return fail("NeuronNoValidatorPermit")
	}
	sorted := slices.Clone(uids)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(uids) {
		return fail("DuplicateUids")
	}
	for _, uid := range uids {
		if !s.has("Keys", netuid, uid) {
			return fail("UidVecContainInvalidOne")
		}
	}
	if !alone && uint64(len(uids)) < min(s.number("MinAllowedWeights", netuid), n) {
		return fail("WeightVecLengthIsLow")
	}
	row := make([]any, len(uids))
	for i, v := range upscale(values) {
		row[i] = []any{uids[i], v}
	}
	s.put(row, "Weights", idx, registered)
	if !hidden {
		s.setLastUpdate(idx, registered, block)
	}
	s.emit("WeightsSet", idx, registered)
	return nil
}

// upscale makes the largest value 65535, rounded half up in 32 fractional bits: vec_u16_max_upscale_to_u16 in epoch/math.rs.
func upscale(values []uint16) []uint16 {
	out := slices.Clone(values)
	if len(values) == 0 {
		return out
	}
	most := uint64(slices.Max(values))
	if most == 0 || most == 65535 {
		return out
	}
	ratio := (65535 << 32) / most
	for i, v := range values {
		out[i] = uint16(min((uint64(v)*ratio+1<<31)>>32, 65535))
	}
	return out
}

func (s state) ownerUID(netuid uint64) (uint64, bool) {
	if !s.has("SubnetOwnerHotkey", netuid) {
		return 0, false
	}
	uid, ok := s.get("Uids", netuid, s.bytes("SubnetOwnerHotkey", netuid)).(uint64)
	return uid, ok
}

// enoughStake holds StakeThreshold; the owner is exempt.
func (s state) enoughStake(hotkey []byte, netuid uint64) bool {
	uid, ok := s.get("Uids", netuid, hotkey).(uint64)
	owner, owned := s.ownerUID(netuid)
	return ok && owned && owner == uid || s.number("TotalHotkeyAlpha", hotkey, netuid) >= s.number("StakeThreshold")
}

// rested says that WeightsSetRateLimit blocks have passed since the last weights or commit. The first are free.
func (s state) rested(netuid, mecid, uid uint64) bool {
	if !s.mechanismExists(netuid, mecid) || !s.has("Keys", netuid, uid) {
		return false
	}
	last := s.numbers("LastUpdate", index(netuid, mecid))
	if uid >= uint64(len(last)) || last[uid] == 0 {
		return true
	}
	since, _ := bits.Sub64(s.block(), min(last[uid], s.block()), 0)
	return since >= s.number("WeightsSetRateLimit", netuid)
}

func (s state) setLastUpdate(idx, uid, block uint64) {
	last := s.numbers("LastUpdate", idx)
	for uint64(len(last)) <= uid {
		last = append(last, 0)
	}
	last[uid] = block
	s.put(last, "LastUpdate", idx)
}

// each runs one item of a batch for many subnets: those that fail are told, and the others stand.
func (s state) each(who []byte, netuids []uint64, item func(s state, i int) error) error {
	failed := map[int]error{}
	for i := range netuids {
		if err := s.nested(func(s state) error { return item(s, i) }); err != nil {
			failed[i] = err
		}
	}
	if len(failed) > 0 {
		s.emit("BatchCompletedWithErrors")
	}
	for i, netuid := range netuids {
		if err := failed[i]; err != nil {
			s.emit("BatchWeightItemFailed", netuid, s.dispatchError(err))
		}
	}
	s.emit("BatchWeightsCompleted", netuids, who)
	return nil
}

func (s state) batchSetWeights(who []byte, a args) error {
	netuids, weights, keys := integers(a.Get("netuids")), a.list("weights"), integers(a.Get("version_keys"))
	if len(netuids) != len(weights) || len(netuids) != len(keys) {
		return fail("InputLengthsUnequal")
	}
	return s.each(who, netuids, func(s state, i int) error {
		if s.flag("CommitRevealWeightsEnabled", netuids[i]) {
			return fail("CommitRevealEnabled")
		}
		uids, values := pairs(weights[i])
		return s.setWeights(who, netuids[i], 0, uids, values, keys[i])
	})
}

// pairs are the two columns of a vector of pairs.
func pairs(v any) (first, second []uint16) {
	rows, _ := v.([]any)
	for _, row := range rows {
		if pair := shorts(row); len(pair) == 2 {
			first, second = append(first, pair[0]), append(second, pair[1])
		}
	}
	return first, second
}

// guard is what subtensor's transaction extension checks before a call is let in: guards/check_weights.rs, check_rate_limits.rs and
// check_serving_endpoints.rs. A batch's calls are checked as they run. Note what it does not ask: the rate of timelocked commits, permits, versions.
func (s state) guard(who []byte, call scale.Choice) error {
	if call.Name != "SubtensorModule" || who == nil {
		return nil
	}
	a, f := args{arguments(call)}, call.Value.(scale.Choice).Name
	netuid, mecid := a.n("netuid"), a.n("mecid")
	if err := unequal(f, a); err != nil {
		return err
	}
	if free[f] && f != "serve_axon" {
		subnets := []uint64{netuid}
		if f == "batch_set_weights" || f == "batch_commit_weights" {
			subnets = integers(a.Get("netuids"))
		}
		for _, netuid := range subnets {
			if !s.enoughStake(who, netuid) {
				return fail("NotEnoughStakeToSetWeights")
			}
		}
	}
	if err := s.guardReveal(who, f, a); err != nil {
		return err
	}
	tooFast := func(name string) error {
		uid, ok := s.get("Uids", netuid, who).(uint64)
		if ok && !s.rested(netuid, mecid, uid) {
			return fail(name)
		}
		return nil
	}
	switch f {
	case "commit_weights", "commit_mechanism_weights":
		return tooFast("CommittingWeightsTooFast")
	case "set_weights", "set_mechanism_weights":
		if !s.flag("CommitRevealWeightsEnabled", netuid) {
			return tooFast("SettingWeightsTooFast")
		}
	case "serve_axon":
		return s.checkAxon(who, netuid, a)
	}
	return nil
}

func unequal(f string, a args) error {
	var same bool
	switch f {
	case "batch_commit_weights":
		same = len(a.list("netuids")) == len(a.list("commit_hashes"))
	case "batch_reveal_weights":
		n := len(a.list("uids_list"))
		same = n == len(a.list("values_list")) && n == len(a.list("salts_list")) && n == len(a.list("version_keys"))
	case "batch_set_weights":
		same = len(a.list("netuids")) == len(a.list("weights")) && len(a.list("netuids")) == len(a.list("version_keys"))
	default:
		return nil
	}
	if !same {
		return fail("InputLengthsUnequal")
	}
	return nil
}
