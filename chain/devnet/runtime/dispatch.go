package runtime

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vision19/vision/chain/scale"
)

// origin is who a call comes from.
type origin struct {
	who  []byte
	root bool
}

// failure is a pallet's error.
type failure struct{ pallet, name string }

func (f failure) Error() string { return f.pallet + "." + f.name }

// fail is an error of SubtensorModule.
func fail(name string) error { return failure{"SubtensorModule", name} }

// plain is a dispatch error that is no pallet's: BadOrigin, or Token's inner one.
type plain struct{ name, inner string }

func (p plain) Error() string { return p.name + " " + p.inner }

var badOrigin = plain{name: "BadOrigin"}

// dispatchError is an error as System.ExtrinsicFailed and others tell it.
func (s state) dispatchError(err error) scale.Choice {
	var f failure
	var p plain
	switch {
	case errors.As(err, &f):
		if pallet, err := s.meta.Pallet(f.pallet); err == nil {
			for _, v := range s.meta.Types[pallet.Errors].Def.Variants {
				if v.Name == f.name {
					return scale.Choice{Name: "Module", Value: fields("index", pallet.Index, "error", []byte{v.Index, 0, 0, 0})}
				}
			}
		}
		panic("no error is called " + f.Error())
	case errors.As(err, &p) && p.inner != "":
		return scale.Choice{Name: p.name, Value: scale.Choice{Name: p.inner}}
	case errors.As(err, &p):
		return scale.Choice{Name: p.name}
	}
	return scale.Choice{Name: "Other"}
}

// refusal is an error of the guards as Custom(n): extensions/subtensor.rs and common/src/transaction_error.rs.
func refusal(err error) *Invalid {
	var f failure
	errors.As(err, &f)
	numbers := map[string]byte{
		"AmountTooLow": 1, "NotEnoughStakeToSetWeights": 1, "NotEnoughBalanceToStake": 2, "SubnetNotExists": 3, "HotKeyAccountNotExists": 4,
		"NotEnoughStakeToWithdraw": 5, "CommittingWeightsTooFast": 6, "SettingWeightsTooFast": 6, "NetworkTxRateLimitExceeded": 6,
		"HotKeyNotRegisteredInNetwork": 10, "InvalidIpAddress": 11, "ServingRateLimitExceeded": 12, "InvalidPort": 13, "InvalidRevealRound": 15,
		"NoWeightsCommitFound": 16, "RevealTooEarly": 17, "InputLengthsUnequal": 18, "HotKeyNotRegisteredInSubNet": 19, "NonAssociatedColdKey": 25,
	}
	n, ok := numbers[f.name]
	if !ok {
		n = 255
	}
	return &Invalid{Kind: InvalidCustom, Custom: n, Why: f.name}
}

// args are a call's arguments. Their types are those of the tables, so a wrong name here is a mistake that a test finds.
type args struct{ scale.Struct }

func (a args) n(name string) uint64 {
	n, _ := a.Get(name).(uint64)
	return n
}

func (a args) b(name string) []byte {
	b, _ := a.Get(name).([]byte)
	return b
}

func (a args) shorts(name string) []uint16 { return shorts(a.Get(name)) }

func (a args) list(name string) []any {
	l, _ := a.Get(name).([]any)
	return l
}

// dispatch runs a call. On an error the caller drops what was written.
func (s state) dispatch(from origin, call scale.Choice) error {
	a := args{arguments(call)}
	switch {
	case call.Name == "AdminUtils":
		return s.administer(from, call, a)
	case name(call) == "Sudo.sudo":
		return s.sudo(from, a)
	case call.Name == "Utility":
		return s.batch(from, call, a)
	case call.Name == "Timestamp":
		return badOrigin // an inherent only
	case from.root:
		return badOrigin // all others want a signature
	case call.Name == "System":
		if name(call) == "System.remark_with_event" {
			s.deposit("System", "Remarked", fields("sender", from.who, "hash", scale.Blake2_256(a.b("remark"))))
		}
		return nil
	case call.Name == "Balances":
		return s.transferCall(from.who, call, a)
	}
	who, netuid, f := from.who, a.n("netuid"), call.Value.(scale.Choice).Name
	switch f {
	case "set_weights", "set_mechanism_weights":
		if s.flag("CommitRevealWeightsEnabled", netuid) {
			return fail("CommitRevealEnabled")
		}
		return s.setWeights(who, netuid, a.n("mecid"), a.shorts("dests"), a.shorts("weights"), a.n("version_key"))
	case "batch_set_weights":
		return s.batchSetWeights(who, a)
	case "commit_weights", "commit_mechanism_weights":
		return s.commitWeights(who, netuid, a.n("mecid"), a.b("commit_hash"))
	case "batch_commit_weights":
		return s.batchCommitWeights(who, a)
	case "reveal_weights", "reveal_mechanism_weights":
		return s.revealWeights(who, netuid, a.n("mecid"), reveal{a.shorts("uids"), a.shorts("values"), a.shorts("salt"), a.n("version_key")})
	case "batch_reveal_weights":
		return s.batchRevealWeights(who, a)
	case "commit_timelocked_weights", "commit_timelocked_mechanism_weights":
		return s.commitTimelocked(who, netuid, a.n("mecid"), a.b("commit"), a.n("reveal_round"), a.n("commit_reveal_version"))
	case "commit_crv3_mechanism_weights":
		return s.commitTimelocked(who, netuid, a.n("mecid"), a.b("commit"), a.n("reveal_round"), 4)
	case "serve_axon":
		return s.serveAxon(who, netuid, a)
	case "register", "burned_register":
		return s.register(who, netuid, a.b("hotkey"))
	case "register_network":
		return s.registerNetwork(who, a.b("hotkey"))
	case "add_stake":
		return s.addStake(who, a.b("hotkey"), netuid, a.n("amount_staked"))
	case "remove_stake":
		return s.removeStake(who, a.b("hotkey"), netuid, a.n("amount_unstaked"))
	}
	return plain{name: "Other"}
}

func (s state) sudo(from origin, a args) error {
	if !bytes.Equal(s.bytes("Sudo.Key"), from.who) || from.root {
		return failure{"Sudo", "RequireSudo"}
	}
	call, _ := a.Get("call").(scale.Choice)
	err := s.nested(func(s state) error { return s.dispatch(origin{root: true}, call) })
	s.deposit("Sudo", "Sudid", fields("sudo_result", s.result(err)))
	return nil
}

func (s state) result(err error) scale.Choice {
	if err != nil {
		return scale.Choice{Name: "Err", Value: s.dispatchError(err)}
	}
	return scale.Choice{Name: "Ok"}
}

// batch runs calls in turn: batch stops at the first that fails and keeps what came before, batch_all undoes all of it.
func (s state) batch(from origin, call scale.Choice, a args) error {
	calls := inner(call)
	if len(calls) > maxBatch {
		return failure{"Utility", "TooManyCalls"}
	}
	for i, c := range calls {
		err := s.nested(func(s state) error {
			if err := s.guard(from.who, c); err != nil {
				return err
			}
			return s.dispatch(from, c)
		})
		if err != nil && name(call) == "Utility.batch_all" {
			return err
		}
		if err != nil {
			s.deposit("Utility", "BatchInterrupted", fields("index", i, "error", s.dispatchError(err)))
			return nil
		}
		s.deposit("Utility", "ItemCompleted", nil)
	}
	s.deposit("Utility", "BatchCompleted", nil)
	return nil
}

// maxBatch bounds a batch, as pallet-utility does by the size of a call.
const maxBatch = 10_000

// settings are AdminUtils' calls that set one value: which storage, and the event.
var settings = map[string]struct{ value, entry, event string }{
	"sudo_set_serving_rate_limit":             {"serving_rate_limit", "ServingRateLimit", "ServingRateLimitSet"},
	"sudo_set_weights_version_key":            {"weights_version_key", "WeightsVersionKey", "WeightsVersionKeySet"},
	"sudo_set_weights_set_rate_limit":         {"weights_set_rate_limit", "WeightsSetRateLimit", "WeightsSetRateLimitSet"},
	"sudo_set_immunity_period":                {"immunity_period", "ImmunityPeriod", "ImmunityPeriodSet"},
	"sudo_set_min_allowed_weights":            {"min_allowed_weights", "MinAllowedWeights", "MinAllowedWeightSet"},
	"sudo_set_max_allowed_uids":               {"max_allowed_uids", "MaxAllowedUids", "MaxAllowedUidsSet"},
	"sudo_set_kappa":                          {"kappa", "Kappa", "KappaSet"},
	"sudo_set_network_registration_allowed":   {"registration_allowed", "NetworkRegistrationAllowed", "RegistrationAllowed"},
	"sudo_set_max_allowed_validators":         {"max_allowed_validators", "MaxAllowedValidators", "MaxAllowedValidatorsSet"},
	"sudo_set_tempo":                          {"tempo", "Tempo", "TempoSet"},
	"sudo_set_stake_threshold":                {"min_stake", "StakeThreshold", "StakeThresholdSet"},
	"sudo_set_commit_reveal_weights_enabled":  {"enabled", "CommitRevealWeightsEnabled", "CommitRevealEnabled"},
	"sudo_set_commit_reveal_weights_interval": {"interval", "RevealPeriodEpochs", "CommitRevealPeriodsSet"},
	"sudo_set_commit_reveal_version":          {"version", "CommitRevealWeightsVersion", "CommitRevealVersionSet"},
	"sudo_set_mechanism_count":                {"mechanism_count", "MechanismCountCurrent", ""},
}

// owners are the settings that a subnet's owner may change too; their rate limit is left out.
var owners = map[string]bool{"sudo_set_serving_rate_limit": true, "sudo_set_weights_version_key": true, "sudo_set_immunity_period": true,
	"sudo_set_min_allowed_weights": true, "sudo_set_commit_reveal_weights_enabled": true, "sudo_set_commit_reveal_weights_interval": true,
	"sudo_set_max_allowed_uids": true, "sudo_set_mechanism_count": true}

// unfrozen are those that root may change at any time; for the others the window before an epoch is closed (AdminFreezeWindow).
var unfrozen = map[string]bool{"sudo_set_weights_set_rate_limit": true, "sudo_set_kappa": true, "sudo_set_network_registration_allowed": true,
	"sudo_set_stake_threshold": true, "sudo_set_commit_reveal_version": true}

func (s state) administer(from origin, call scale.Choice, a args) error {
	f := call.Value.(scale.Choice).Name
	set, netuid := settings[f], a.n("netuid")
	ofSubnet := a.Get("netuid") != nil
	if !from.root && (!owners[f] || !bytes.Equal(s.bytes("SubnetOwner", netuid), from.who)) {
		return badOrigin
	}
	value := a.Get(set.value)
	n, _ := value.(uint64)
	switch {
	case !unfrozen[f] && s.frozen(netuid):
		return fail("AdminActionProhibitedDuringWeightsWindow")
	case ofSubnet && !s.flag("NetworksAdded", netuid):
		return failure{"AdminUtils", "SubnetDoesNotExist"}
	case f == "sudo_set_commit_reveal_weights_interval" && n > 100:
		return fail("RevealPeriodTooLarge")
	case f == "sudo_set_commit_reveal_weights_interval" && n < 1:
		return fail("RevealPeriodTooSmall")
	case f == "sudo_set_mechanism_count" && (n < 1 || n > 16):
		return fail("InvalidValue")
	case f == "sudo_set_max_allowed_uids" && (n < s.number("SubnetworkN", netuid) || n > maxUIDs):
		return failure{"AdminUtils", "InvalidValue"}
	}
	if ofSubnet {
		s.put(value, set.entry, netuid)
	} else {
		s.put(value, set.entry)
	}
	if f == "sudo_set_tempo" {
		s.put(s.block(), "LastEpochBlock", netuid)
	}
	switch {
	case set.event == "":
	case ofSubnet:
		s.emit(set.event, netuid, value)
	default:
		s.emit(set.event, value)
	}
	return nil
}

// frozen says that the next epoch is too near for changes.
func (s state) frozen(netuid uint64) bool {
	tempo, pending := s.number("Tempo", netuid), s.number("PendingEpochAt", netuid)
	if tempo == 0 {
		return false
	}
	next := s.number("LastEpochBlock", netuid) + tempo
	return pending > s.block() || next-min(next, s.block()) < s.number("AdminFreezeWindow")
}

// inherent is Timestamp.set, which the node puts first in a block.
func (s state) inherent(b []byte) *Invalid {
	call, bad := s.decodeCall(b)
	if bad != nil {
		return bad
	}
	if name(call) != "Timestamp.set" {
		return invalid(InvalidUnknown, "unsigned %s", name(call))
	}
	if s.flag("Timestamp.DidUpdate") {
		return invalid(InvalidMandatory, "the time was set already")
	}
	now := args{arguments(call)}.n("now")
	if now < s.number("Timestamp.Now") {
		return invalid(InvalidMandatory, "%d is before the last block", now)
	}
	s.put(now, "Timestamp.Now")
	s.put(true, "Timestamp.DidUpdate")
	s.finished(nil, true, "Mandatory")
	return nil
}

// Inherents are the extrinsics with which a block begins: the time.
func (r *Runtime) Inherents(b Block) [][]byte {
	call, err := r.meta.Encode([]byte{4}, r.call, scale.Choice{Name: "Timestamp", Value: scale.Choice{Name: "set", Value: fields("now", max(0, b.Time.UnixMilli()))}})
	if err != nil {
		panic(fmt.Sprintf("Timestamp.set: %v", err))
	}
	return [][]byte{scale.AppendBlob(nil, call)}
}
