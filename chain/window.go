package chain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vision19/vision/chain/tlock"
)

// A Window answers "may this hotkey set weights now?" as of one block, by what the chain itself will check.
type Window struct {
	Block  uint64
	Method Method // which the subnet asks for
	UID    uint16
	Limits Limits
	Index  uint16 // the storage index of the subnet's mechanism

	VersionKey  uint64 // the least that the subnet takes
	RateLimit   uint64 // blocks
	LastUpdate  uint64 // block; 0: never
	Permit      bool   // or Owner, who needs none
	Owner       bool   // the subnet's owner, who needs no stake either
	Stake       uint64 // rao, as the chain weighs it; only where a threshold is set
	StakeNeeded uint64 // rao
	Epochs      Epochs

	Refusals []*Refusal // why not; none means yes
	From     uint64     // the block from which on the rate limit allows it; meaningful whether or not other refusals stand
}

// Open says that weights may be set.
func (w *Window) Open() bool { return len(w.Refusals) == 0 }

// Window asks whether the hotkey may set the weights of a subnet's mechanism. What stands against it is told under the names that the chain would use.
func (s *State) Window(ctx context.Context, netuid uint16, mechanism uint8, hotkey [32]byte) (*Window, error) {
	w := &Window{Block: s.Number, Index: StorageIndex(netuid, mechanism), Method: Direct}
	refuse := func(name string) {
		w.Refusals = append(w.Refusals, &Refusal{Pallet: subtensor, Name: name, Ahead: true})
	}
	added, err := s.flag(ctx, subtensor, "NetworksAdded", netuid)
	if err != nil {
		return nil, err
	}
	if !added {
		refuse("SubNetworkDoesNotExist")
		return w, nil
	}
	if mechanism > 0 {
		n, err := s.numberOr(ctx, 1, subtensor, "MechanismCountCurrent", netuid)
		if err != nil {
			return nil, err
		}
		if uint64(mechanism) >= n {
			refuse("MechanismDoesNotExist")
		}
	}
	uid, err := s.Get(ctx, subtensor, "Uids", netuid, hotkey)
	if err != nil {
		return nil, err
	}
	n, registered := uid.(uint64)
	if !registered {
		refuse("HotKeyNotRegisteredInSubNet")
		return w, nil
	}
	w.UID = uint16(n)
	for _, read := range []func(context.Context, uint16, [32]byte) error{
		func(ctx context.Context, netuid uint16, _ [32]byte) error { return s.readMethod(ctx, w, netuid) },
		func(ctx context.Context, netuid uint16, _ [32]byte) error { return s.readLimits(ctx, w, netuid) },
		func(ctx context.Context, netuid uint16, hotkey [32]byte) error {
			return s.readRights(ctx, w, netuid, hotkey)
		},
	} {
		if err := read(ctx, netuid, hotkey); err != nil {
			return nil, err
		}
	}
	if w.Stake < w.StakeNeeded && !w.Owner {
		refuse("NotEnoughStakeToSetWeights")
	}
	if !w.Permit {
		refuse(noPermit)
	}
	if w.Block+1 < w.From { // what is submitted now is included in the next block at the earliest
		refuse(map[bool]string{true: "SettingWeightsTooFast", false: "CommittingWeightsTooFast"}[w.Method == Direct])
	}
	return w, nil
}

const (
	subtensor = "SubtensorModule"
	noPermit  = "NeuronNoValidatorPermit"
)

// timelockVersion is the commit-reveal version of the timelock that this client speaks.
const timelockVersion = 4

// readMethod finds how the subnet takes weights, and when its epochs begin.
func (s *State) readMethod(ctx context.Context, w *Window, netuid uint16) error {
	enabled, err := s.flag(ctx, subtensor, "CommitRevealWeightsEnabled", netuid)
	if err != nil {
		return err
	}
	if enabled {
		v, err := s.numberOr(ctx, 2, subtensor, "CommitRevealWeightsVersion")
		if err != nil {
			return err
		}
		w.Method = V2
		if v == timelockVersion {
			w.Method = V4
		}
	}
	w.Epochs, err = s.Epochs(ctx, netuid)
	return err
}

// Epochs are a subnet's, as of the state's block.
func (s *State) Epochs(ctx context.Context, netuid uint16) (Epochs, error) {
	e := Epochs{Netuid: netuid, Block: s.Number}
	var err error
	if e.Tempo, err = s.number(ctx, subtensor, "Tempo", netuid); err != nil {
		return e, err
	}
	if e.Period, err = s.numberOr(ctx, 1, subtensor, "RevealPeriodEpochs", netuid); err != nil {
		return e, err
	}
	if e.Interval, err = s.number(ctx, subtensor, "WeightCommitRevealInterval", netuid); err == nil && e.Interval == 0 {
		e.Interval, e.Period = math.MaxUint64, 0 // a reveal is taken at any time
	}
	if !errors.Is(err, ErrUnknown) {
		return e, err
	}
	e.Index, err = s.number(ctx, subtensor, "SubnetEpochIndex", netuid)
	if errors.Is(err, ErrUnknown) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	e.Dynamic = true
	if e.Next, err = s.nextEpoch(ctx, netuid, e.Tempo); err != nil {
		return e, err
	}
	e.Next = max(e.Next, s.Number+1) // an epoch that was put off
	return e, nil
}

// nextEpoch asks the runtime at which block the next epoch begins, or reckons as it does where it tells no types of its APIs.
func (s *State) nextEpoch(ctx context.Context, netuid uint16, tempo uint64) (uint64, error) {
	v, err := s.Call(ctx, "SubnetInfoRuntimeApi", "get_next_epoch_start_block", netuid)
	if next, ok := v.(uint64); ok && err == nil {
		return next, nil
	}
	if err != nil && !errors.Is(err, ErrUnknown) {
		return 0, err
	}
	last, err := s.number(ctx, subtensor, "LastEpochBlock", netuid)
	if err != nil {
		return 0, err
	}
	pending, err := s.numberOr(ctx, 0, subtensor, "PendingEpochAt", netuid)
	if err != nil {
		return 0, err
	}
	if pending > 0 {
		return min(last+tempo, pending), nil
	}
	return last + tempo, nil
}

// readLimits reads what the subnet asks of weights.
func (s *State) readLimits(ctx context.Context, w *Window, netuid uint16) error {
	n, err := s.number(ctx, subtensor, "SubnetworkN", netuid)
	if err != nil {
		return err
	}
	least, err := s.number(ctx, subtensor, "MinAllowedWeights", netuid)
	if err != nil {
		return err
	}
	w.Limits = Limits{Neurons: int(n), Min: int(least)}
	if !w.Epochs.Dynamic { // newer runtimes limit no share, whatever is stored
		most, err := s.numberOr(ctx, 0, subtensor, "MaxWeightsLimit", netuid)
		if err != nil {
			return err
		}
		w.Limits.MaxShare = uint16(most)
	}
	w.VersionKey, err = s.number(ctx, subtensor, "WeightsVersionKey", netuid)
	return err
}

// readRights reads what the chain checks of the hotkey itself.
func (s *State) readRights(ctx context.Context, w *Window, netuid uint16, hotkey [32]byte) error {
	permits, err := s.Get(ctx, subtensor, "ValidatorPermit", netuid)
	if err != nil {
		return err
	}
	if all := list(permits); int(w.UID) < len(all) {
		w.Permit, _ = all[w.UID].(bool)
	}
	if owner, err := s.Get(ctx, subtensor, "SubnetOwnerHotkey", netuid); err == nil {
		b, _ := owner.([]byte)
		w.Owner = string(b) == string(hotkey[:])
		w.Permit = w.Permit || w.Owner
	} else if !errors.Is(err, ErrUnknown) {
		return err
	}
	if w.RateLimit, err = s.number(ctx, subtensor, "WeightsSetRateLimit", netuid); err != nil {
		return err
	}
	updates, err := s.Get(ctx, subtensor, "LastUpdate", w.Index)
	if err != nil {
		return err
	}
	if w.LastUpdate = at(updates, int(w.UID)); w.LastUpdate > 0 {
		w.From = w.LastUpdate + w.RateLimit
	}
	if w.StakeNeeded, err = s.stakeNeeded(ctx); err != nil || w.StakeNeeded == 0 {
		return err
	}
	g, err := s.Metagraph(ctx, netuid)
	if err != nil {
		return err
	}
	if int(w.UID) < len(g.Neurons) {
		w.Stake = g.Neurons[w.UID].Stake
	}
	return nil
}

// stakeNeeded is the threshold below which weights are refused, whatever it is called.
func (s *State) stakeNeeded(ctx context.Context) (uint64, error) {
	n, err := s.number(ctx, subtensor, "StakeThreshold")
	if errors.Is(err, ErrUnknown) {
		return s.numberOr(ctx, 0, subtensor, "WeightsMinStake")
	}
	return n, err
}

// Time is the chain's clock at the state's block.
func (s *State) Time(ctx context.Context) (time.Time, error) {
	ms, err := s.number(ctx, "Timestamp", "Now")
	return time.UnixMilli(int64(ms)), err
}

// blockTime is how long a block takes by the chain's clock, which is twice what the timestamp must move on at least; else subtensor's 12 s.
func (s *State) blockTime() time.Duration {
	c, err := s.Runtime.Constant("Timestamp", "MinimumPeriod")
	if err == nil {
		if v, err := s.Runtime.DecodeAll(c.Type, c.Value); err == nil {
			if ms, ok := v.(uint64); ok && ms > 0 && ms < 1<<20 {
				return 2 * time.Duration(ms) * time.Millisecond
			}
		}
	}
	return 12 * time.Second
}

// beacon is the drand beacon whose pulses the chain takes.
func (s *State) beacon(ctx context.Context) (tlock.Beacon, error) {
	v, err := s.Get(ctx, "Drand", "BeaconConfig")
	if err != nil {
		return tlock.Beacon{}, err
	}
	key, _ := member(v, "public_key").([]byte)
	period, _ := member(v, "period").(uint64)
	genesis, _ := member(v, "genesis_time").(uint64)
	if len(key) != 96 || period == 0 || period > math.MaxUint32 || genesis > math.MaxUint32 {
		return tlock.Beacon{}, fmt.Errorf("the chain's beacon has a key of %d bytes, a period of %d s and begins at %d: 96, at least 1 and a time are right", len(key), period, genesis)
	}
	return tlock.Beacon{Key: [96]byte(key), Genesis: int64(genesis), Period: int64(period)}, nil
}
