package runtime

import (
	"bytes"
	"math/big"

	"github.com/vision19/vision/chain/scale"
)

// minStake is the least that add_stake takes (SubtensorInitialMinStake), in rao.
const minStake = 2_000_000

// info is what System.Account keeps of an account.
type info struct {
	nonce           uint32
	providers, free uint64
}

// spendable is what is there beyond the existential deposit.
func (i info) spendable() uint64 { return i.free - min(i.free, existentialDeposit) }

// newLogic is ExtraFlags of an account that was made by today's balances pallet.
var newLogic = new(big.Int).Lsh(big.NewInt(1), 127)

// account is the default of System.Account, with a free balance.
func account(free uint64) scale.Struct {
	return fields("nonce", 0, "consumers", 0, "providers", 0, "sufficients", 0, "data", fields("free", free, "reserved", 0, "frozen", 0, "flags", newLogic))
}

func (s state) account(who []byte) info {
	a, _ := s.get("System.Account", who).(scale.Struct)
	v := args{a}
	data, _ := a.Get("data").(scale.Struct)
	return info{uint32(v.n("nonce")), v.n("providers"), args{data}.n("free")}
}

func (s state) setAccount(who []byte, i info) {
	a := account(i.free)
	a[0].Value, a[2].Value = i.nonce, i.providers
	s.put(a, "System.Account", who)
}

// credit gives rao to an account, and makes it if it is new.
func (s state) credit(who []byte, amount uint64) {
	i := s.account(who)
	i.free += amount
	if i.providers == 0 {
		i.providers = 1
		s.deposit("System", "NewAccount", fields("account", who))
		s.deposit("Balances", "Endowed", fields("account", who, "free_balance", amount))
	}
	s.setAccount(who, i)
}

// debit takes rao from an account, which keeps its existential deposit, or says false.
func (s state) debit(who []byte, amount uint64) bool {
	i := s.account(who)
	if i.spendable() < amount {
		return false
	}
	i.free -= amount
	s.setAccount(who, i)
	return true
}

// transferCall moves rao. Both calls keep the sender alive here: nothing is reaped.
func (s state) transferCall(who []byte, call scale.Choice, a args) error {
	to, _ := a.Get("dest").(scale.Choice)
	dest, _ := to.Value.([]byte)
	if to.Name != "Id" && to.Name != "Address32" {
		return plain{name: "CannotLookup"}
	}
	amount := a.n("value")
	switch {
	case s.account(dest).providers == 0 && amount < existentialDeposit:
		return plain{"Token", "BelowMinimum"}
	case !s.debit(who, amount):
		return plain{"Token", "FundsUnavailable"}
	}
	s.credit(dest, amount)
	s.deposit("Balances", "Transfer", fields("from", who, "to", dest, "amount", amount))
	return nil
}

// one is 1 in a U64F64.
var one = new(big.Int).Lsh(big.NewInt(1), 64)

func bits128(v any) *big.Int {
	f, _ := v.(scale.Struct)
	if n, ok := f.Get("bits").(*big.Int); ok {
		return n
	}
	return new(big.Int)
}

func fixed(n *big.Int) scale.Struct { return fields("bits", n) }

// staked is what a coldkey has with a hotkey: its share of the hotkey's alpha.
func (s state) staked(hotkey, coldkey []byte, netuid uint64) uint64 {
	total := bits128(s.get("TotalHotkeyShares", hotkey, netuid))
	if total.Sign() == 0 {
		return 0
	}
	value := new(big.Int).SetUint64(s.number("TotalHotkeyAlpha", hotkey, netuid))
	return value.Mul(value, bits128(s.get("Alpha", hotkey, coldkey, netuid))).Div(value, total).Uint64()
}

// restake changes what a coldkey has with a hotkey by an amount of rao, which is at most what it has.
func (s state) restake(hotkey, coldkey []byte, netuid uint64, amount uint64, add bool) {
	alpha, total := s.number("TotalHotkeyAlpha", hotkey, netuid), bits128(s.get("TotalHotkeyShares", hotkey, netuid))
	share := bits128(s.get("Alpha", hotkey, coldkey, netuid))
	delta := new(big.Int).Mul(new(big.Int).SetUint64(amount), one)
	if alpha > 0 && total.Sign() > 0 {
		delta.SetUint64(amount).Mul(delta, total).Div(delta, new(big.Int).SetUint64(alpha))
	}
	if !add {
		delta.Neg(delta)
		if amount == s.staked(hotkey, coldkey, netuid) {
			delta.Neg(share)
		}
		alpha -= amount
	} else {
		alpha += amount
	}
	s.put(alpha, "TotalHotkeyAlpha", hotkey, netuid)
	s.put(fixed(new(big.Int).Add(total, delta)), "TotalHotkeyShares", hotkey, netuid)
	s.put(fixed(new(big.Int).Add(share, delta)), "Alpha", hotkey, coldkey, netuid)
}

// raise adds emission to a hotkey's alpha: every share of it grows. Without shares it is the owner's.
func (s state) raise(hotkey []byte, netuid, amount uint64) {
	switch {
	case amount == 0:
	case bits128(s.get("TotalHotkeyShares", hotkey, netuid)).Sign() == 0:
		s.restake(hotkey, s.bytes("Owner", hotkey), netuid, amount, true)
	default:
		s.put(s.number("TotalHotkeyAlpha", hotkey, netuid)+amount, "TotalHotkeyAlpha", hotkey, netuid)
	}
}

// addStake turns free rao into alpha, 1 to 1.
func (s state) addStake(coldkey, hotkey []byte, netuid, amount uint64) error {
	switch {
	case !s.flag("NetworksAdded", netuid):
		return fail("SubnetNotExists")
	case !s.flag("SubtokenEnabled", netuid):
		return fail("SubtokenDisabled")
	case amount < minStake:
		return fail("AmountTooLow")
	case s.account(coldkey).spendable() < amount:
		return fail("NotEnoughBalanceToStake")
	case !s.has("Owner", hotkey):
		return fail("HotKeyAccountNotExists")
	}
	s.debit(coldkey, amount)
	s.restake(hotkey, coldkey, netuid, amount, true)
	s.put(s.number("TotalStake")+amount, "TotalStake")
	s.emit("StakeAdded", coldkey, hotkey, amount, amount, netuid, 0)
	return nil
}

// removeStake turns alpha back into rao; more than there is means all.
func (s state) removeStake(coldkey, hotkey []byte, netuid, amount uint64) error {
	there := s.staked(hotkey, coldkey, netuid)
	amount = min(amount, there)
	switch {
	case !s.flag("SubtokenEnabled", netuid):
		return fail("SubtokenDisabled")
	case !s.flag("NetworksAdded", netuid):
		return fail("SubnetNotExists")
	case amount == 0, amount < there && amount < minStake:
		return fail("AmountTooLow")
	case !s.has("Owner", hotkey):
		return fail("HotKeyAccountNotExists")
	}
	s.restake(hotkey, coldkey, netuid, amount, false)
	s.credit(coldkey, amount)
	s.put(s.number("TotalStake")-min(amount, s.number("TotalStake")), "TotalStake")
	s.emit("StakeRemoved", coldkey, hotkey, amount, amount, netuid, 0)
	return nil
}

// own makes a hotkey a coldkey's, if it is nobody's, and says whether it is.
func (s state) own(coldkey, hotkey []byte) bool {
	if !s.has("Owner", hotkey) {
		s.put(coldkey, "Owner", hotkey)
		owned, _ := s.get("OwnedHotkeys", coldkey).([]any)
		s.put(append(owned, hotkey), "OwnedHotkeys", coldkey)
	}
	return bytes.Equal(s.bytes("Owner", hotkey), coldkey)
}
