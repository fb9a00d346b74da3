package runtime

import (
	"bytes"
	"cmp"
)

// register gives a hotkey a uid for a burn: do_register in subnets/registration.rs. The burn stays what it is.
func (s state) register(coldkey []byte, netuid uint64, hotkey []byte) error {
	burn := s.number("Burn", netuid)
	switch {
	case netuid == 0:
		return fail("RegistrationNotPermittedOnRootSubnet")
	case !s.flag("NetworksAdded", netuid):
		return fail("SubnetNotExists")
	case !s.flag("NetworkRegistrationAllowed", netuid):
		return fail("SubNetRegistrationDisabled")
	case s.has("Uids", netuid, hotkey):
		return fail("HotKeyAlreadyRegisteredInSubNet")
	case s.account(coldkey).spendable() < burn:
		return fail("NotEnoughBalanceToStake")
	case !s.own(coldkey, hotkey):
		return fail("NonAssociatedColdKey")
	}
	uid := s.number("SubnetworkN", netuid)
	if uid >= s.number("MaxAllowedUids", netuid) {
		old, ok := s.weakest(netuid)
		if !ok {
			return fail("NoNeuronIdAvailable")
		}
		s.replace(netuid, old)
		uid = old
	}
	s.debit(coldkey, burn)
	s.put(s.number("Balances.TotalIssuance")-min(burn, s.number("Balances.TotalIssuance")), "Balances.TotalIssuance")
	s.seat(netuid, uid, hotkey, s.block())
	s.emit("NeuronRegistered", netuid, uid, hotkey)
	return nil
}

// vectors are those by uid, of a subnet.
var vectors = []string{"Active", "Emission", "Consensus", "Dividends", "ValidatorTrust", "ValidatorPermit", "StakeWeight"}

// seat puts a hotkey on a uid, which is the next new one or has been cleared.
func (s state) seat(netuid, uid uint64, hotkey []byte, block uint64) {
	if uid >= s.number("SubnetworkN", netuid) {
		s.put(uid+1, "SubnetworkN", netuid)
	}
	for _, entry := range vectors {
		s.setElement(uid, entry, netuid)
	}
	active := s.flags("Active", netuid)
	active[uid] = true
	s.put(active, "Active", netuid)
	for mecid := range s.number("MechanismCountCurrent", netuid) {
		s.setElement(uid, "Incentive", index(netuid, mecid))
		s.setLastUpdate(index(netuid, mecid), uid, block)
	}
	s.put(hotkey, "Keys", netuid, uid)
	s.put(uid, "Uids", netuid, hotkey)
	s.put(block, "BlockAtRegistration", netuid, uid)
	s.put(true, "IsNetworkMember", hotkey, netuid)
}

// setElement makes an element of a vector zero, and the vector long enough.
func (s state) setElement(uid uint64, entry string, key uint64) {
	all, _ := s.get(entry, key).([]any)
	var zero any = uint64(0)
	if entry == "Active" || entry == "ValidatorPermit" {
		zero = false
	}
	for uint64(len(all)) <= uid {
		all = append(all, zero)
	}
	all[uid] = zero
	s.put(all, entry, key)
}

// replace takes the hotkey of a uid away, with what it had and what others gave it: replace_neuron and clear_neuron in subnets/uids.rs.
func (s state) replace(netuid, uid uint64) {
	old := s.bytes("Keys", netuid, uid)
	s.remove("Uids", netuid, old)
	s.remove("IsNetworkMember", old, netuid)
	s.remove("Axons", netuid, old)
	n := s.number("SubnetworkN", netuid)
	for mecid := range s.number("MechanismCountCurrent", netuid) {
		idx := index(netuid, mecid)
		s.remove("Bonds", idx, uid)
		s.remove("Weights", idx, uid)
		for from := range n {
			uids, values := pairs(s.get("Weights", idx, from))
			row, changed := make([]any, len(uids)), false
			for i := range uids {
				if uint64(uids[i]) == uid && values[i] != 0 {
					values[i], changed = 0, true
				}
				row[i] = []any{uids[i], values[i]}
			}
			if changed {
				s.put(row, "Weights", idx, from)
			}
		}
	}
}

// weakest is the uid that a new neuron replaces: of those outside their immunity the one with the least emission, then the oldest, then the first; of
// the others if there are not more than MinNonImmuneUids. The owner's stays: get_neuron_to_prune.
func (s state) weakest(netuid uint64) (uint64, bool) {
	owner := s.bytes("SubnetOwnerHotkey", netuid)
	emissions, immunity := s.numbers("Emission", netuid), s.number("ImmunityPeriod", netuid)
	type seat struct{ uid, emission, block uint64 }
	var worst [2]*seat // mortal, immune
	mortals := uint64(0)
	for uid := range s.number("SubnetworkN", netuid) {
		if bytes.Equal(s.bytes("Keys", netuid, uid), owner) {
			continue
		}
		x := &seat{uid: uid, block: s.number("BlockAtRegistration", netuid, uid)}
		if uid < uint64(len(emissions)) {
			x.emission = emissions[uid]
		}
		kind := 0
		if s.block()-min(x.block, s.block()) < immunity {
			kind = 1
		} else {
			mortals++
		}
		if w := worst[kind]; w == nil || cmp.Or(cmp.Compare(x.emission, w.emission), cmp.Compare(x.block, w.block)) < 0 {
			worst[kind] = x
		}
	}
	if worst[0] != nil && mortals > s.number("MinNonImmuneUids", netuid) {
		return worst[0].uid, true
	}
	if worst[1] != nil {
		return worst[1].uid, true
	}
	return 0, false
}

const (
	lockCost   = 1_000_000_000_000 // SubtensorInitialMinLockCost, rao; it is burnt here
	maxSubnets = 128               // SubnetLimit; a full chain refuses here, where subtensor prunes a subnet
)

// registerNetwork makes a new subnet with the next free number; its owner's hotkey is uid 0.
func (s state) registerNetwork(coldkey, hotkey []byte) error {
	netuid := uint64(1)
	for s.flag("NetworksAdded", netuid) {
		netuid++
	}
	switch {
	case s.has("Owner", hotkey) && !bytes.Equal(s.bytes("Owner", hotkey), coldkey):
		return fail("NonAssociatedColdKey")
	case netuid > maxSubnets:
		return fail("SubnetLimitReached")
	case !s.debit(coldkey, lockCost):
		return fail("CannotAffordLockCost")
	}
	s.put(s.number("Balances.TotalIssuance")-min(lockCost, s.number("Balances.TotalIssuance")), "Balances.TotalIssuance")
	s.addSubnet(netuid, coldkey, hotkey)
	s.own(coldkey, hotkey)
	s.seat(netuid, 0, hotkey, s.block())
	s.emit("NetworkAdded", netuid, 0)
	return nil
}

func (s state) addSubnet(netuid uint64, coldkey, hotkey []byte) {
	s.put(true, "NetworksAdded", netuid)
	s.put(s.number("TotalNetworks")+1, "TotalNetworks")
	s.put(s.block(), "NetworkRegisteredAt", netuid)
	s.put(coldkey, "SubnetOwner", netuid)
	s.put(hotkey, "SubnetOwnerHotkey", netuid)
	s.put(true, "SubtokenEnabled", netuid)
	s.put(s.block(), "LastEpochBlock", netuid)
}
