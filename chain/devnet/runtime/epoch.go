package runtime

import (
	"math"

	"github.com/vision19/vision/chain/devnet/yuma"
	"github.com/vision19/vision/chain/scale"
)

const (
	maxTempo = 50_400        // MAX_TEMPO
	emission = 1_000_000_000 // alpha to a subnet each block, half to miners and half to validators
	// keptPulses is for how many rounds pulses stay (pallets/drand).
	keptPulses = 216_000
)

// Begin starts a block: its number and parent, no events, the pulses that came, what timelocked commits they open, and the epochs that are due.
func (r *Runtime) Begin(store Store, b Block) {
	s := state{r, store}
	s.remove("System.Events")
	s.put(0, "System.EventCount")
	s.put(b.Number, "System.Number")
	s.put(b.Parent[:], "System.ParentHash")
	if b.Number > 0 {
		s.put(b.Parent[:], "System.BlockHash", b.Number-1)
	}
	if old := int64(b.Number) - blockHashCount - 1; old > 0 { // block 0 stays: it is what CheckGenesis asks for
		s.remove("System.BlockHash", old)
	}
	s.put(scale.Choice{Name: "Initialization"}, "System.ExecutionPhase")
	s.store(b.Pulses)
	subnets := s.subnets()
	for _, netuid := range subnets {
		s.revealTimelocked(netuid)
	}
	for _, netuid := range subnets {
		s.step(netuid)
	}
	s.put(scale.Choice{Name: "ApplyExtrinsic", Value: 0}, "System.ExecutionPhase")
}

// End finishes a block.
func (r *Runtime) End(store Store) {
	s := state{r, store}
	s.remove("Timestamp.DidUpdate")
	s.remove("System.ExecutionPhase")
}

// store keeps pulses as write_pulse does, and drops the oldest. It does not verify them, as the chain does: the block's author signed them itself, and a wrong one would open
// nothing.
func (s state) store(pulses []Pulse) {
	var rounds []uint64
	for _, p := range pulses {
		if p.Round <= s.number("Drand.LastStoredRound") {
			continue
		}
		s.put(fields("round", p.Round, "randomness", []byte{}, "signature", p.Signature), "Drand.Pulses", p.Round)
		s.put(p.Round, "Drand.LastStoredRound")
		if s.number("Drand.OldestStoredRound") == 0 {
			s.put(p.Round, "Drand.OldestStoredRound")
		}
		rounds = append(rounds, p.Round)
	}
	if len(rounds) == 0 {
		return
	}
	last, oldest := rounds[len(rounds)-1], s.number("Drand.OldestStoredRound")
	for n := 0; oldest+keptPulses <= last && n < 100; n++ { // the chain's bound of rounds pruned at once
		s.remove("Drand.Pulses", oldest)
		oldest++
	}
	s.put(oldest, "Drand.OldestStoredRound")
	s.deposit("Drand", "NewPulse", fields("rounds", rounds))
}

// subnets are all but the root, by number.
func (s state) subnets() []uint64 {
	at, prefix := s.at("NetworksAdded", nil)
	var all []uint64
	for _, key := range s.Keys(prefix, nil, 0) {
		r := scale.NewReader(key[len(at.prefix):])
		if netuid := uint64(r.U16()); r.Done() == nil && netuid != 0 && s.flag("NetworksAdded", netuid) {
			all = append(all, netuid)
		}
	}
	return all
}

// epochDue says that an epoch runs in this block: should_run_epoch in coinbase/run_coinbase.rs.
func (s state) epochDue(netuid uint64) bool {
	tempo, pending, last := s.number("Tempo", netuid), s.number("PendingEpochAt", netuid), s.number("LastEpochBlock", netuid)
	switch {
	case tempo == 0:
		return false
	case pending > 0 && s.block() >= pending, s.number("BlocksSinceLastStep", netuid) > maxTempo:
		return true
	}
	return s.block()-min(last, s.block()) >= tempo
}

// nextEpoch is the block of the next epoch, if any will come.
func (s state) nextEpoch(netuid uint64) (uint64, bool) {
	tempo := s.number("Tempo", netuid)
	next := s.number("LastEpochBlock", netuid) + tempo
	if pending := s.number("PendingEpochAt", netuid); pending > 0 {
		next = min(next, pending)
	}
	return next, tempo != 0
}

// step emits a block's alpha to a subnet, and runs its epoch where it is due.
func (s state) step(netuid uint64) {
	if s.flag("SubtokenEnabled", netuid) {
		for _, pending := range []string{"PendingServerEmission", "PendingValidatorEmission"} {
			s.put(s.number(pending, netuid)+emission/2, pending, netuid)
		}
	}
	s.put(s.number("BlocksSinceLastStep", netuid)+1, "BlocksSinceLastStep", netuid)
	if !s.epochDue(netuid) {
		return
	}
	if err := s.nested(func(s state) error { return s.epoch(netuid) }); err != nil {
		s.emit("EpochSkipped", netuid, s.block())
	}
	s.put(s.block(), "LastEpochBlock", netuid)
	s.put(0, "PendingEpochAt", netuid)
	s.put(s.number("SubnetEpochIndex", netuid)+1, "SubnetEpochIndex", netuid)
}

// epoch runs Yuma for each mechanism, which share the emission evenly, and pays it out as stake. What a subnet has one of is the last mechanism's.
func (s state) epoch(netuid uint64) error {
	server, validator := s.number("PendingServerEmission", netuid), s.number("PendingValidatorEmission", netuid)
	n, count := s.number("SubnetworkN", netuid), s.number("MechanismCountCurrent", netuid)
	for mecid := range count {
		in := s.input(netuid, mecid)
		in.Emission = (server + validator) / count
		out, err := yuma.Epoch(in)
		if err != nil {
			return err
		}
		idx := index(netuid, mecid)
		s.put(out.Incentive, "Incentive", idx)
		s.emitMiners(idx, out.ServerEmission)
		for uid := range n {
			s.put(pairsOf(out.Bonds[uid]), "Bonds", idx, uid)
			hotkey := s.bytes("Keys", netuid, uid)
			s.raise(hotkey, netuid, out.ServerEmission[uid]+out.ValidatorEmission[uid])
		}
		for entry, v := range map[string]any{"Active": out.Active, "Emission": out.Emission, "Consensus": out.Consensus, "Dividends": out.Dividends,
			"ValidatorTrust": out.ValidatorTrust, "ValidatorPermit": out.Permits, "StakeWeight": out.StakeWeight} {
			s.put(v, entry, netuid)
		}
	}
	s.put(0, "PendingServerEmission", netuid)
	s.put(0, "PendingValidatorEmission", netuid)
	s.put(0, "BlocksSinceLastStep", netuid)
	s.put(s.block(), "LastMechansimStepBlock", netuid)
	return nil
}

func (s state) emitMiners(idx uint64, emissions []uint64) {
	s.deposit("SubtensorModule", "IncentiveAlphaEmittedToMiners", fields("netuid", idx, "emissions", emissions))
}

func pairsOf(row []yuma.Weight) []any {
	out := make([]any, len(row))
	for i, w := range row {
		out[i] = []any{w.UID, w.Value}
	}
	return out
}

// input is what Yuma reads of a mechanism.
func (s state) input(netuid, mecid uint64) yuma.Input {
	idx, n := index(netuid, mecid), s.number("SubnetworkN", netuid)
	in := yuma.Input{
		Stake: make([]uint64, n), Permits: make([]bool, n), Weights: make([][]yuma.Weight, n), Bonds: make([][]yuma.Weight, n),
		LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Block: s.block(), LastEpoch: s.number("LastMechansimStepBlock", netuid), Tempo: s.number("Tempo", netuid), ActivityCutoff: s.cutoff(netuid),
		MinStake: s.number("StakeThreshold"), MaxValidators: uint16(s.number("MaxAllowedValidators", netuid)), Kappa: uint16(s.number("Kappa", netuid)),
		BondsPenalty: uint16(s.number("BondsPenalty", netuid)), BondsMovingAverage: s.number("BondsMovingAverage", netuid), Yuma3: s.flag("Yuma3On", netuid),
	}
	if owner, ok := s.ownerUID(netuid); ok {
		uid := uint16(owner)
		in.Owner = &uid
	}
	copy(in.Permits, s.flags("ValidatorPermit", netuid))
	copy(in.LastUpdate, s.numbers("LastUpdate", idx))
	hiding := s.flag("CommitRevealWeightsEnabled", netuid)
	if hiding {
		in.Commits = make([]uint64, n)
	}
	row := func(entry string, uid uint64) []yuma.Weight {
		uids, values := pairs(s.get(entry, idx, uid))
		out := make([]yuma.Weight, len(uids))
		for i := range uids {
			out[i] = yuma.Weight{UID: uids[i], Value: values[i]}
		}
		return out
	}
	waiting := s.waiting(idx)
	for uid := range n {
		hotkey := s.bytes("Keys", netuid, uid)
		in.Stake[uid], in.Registered[uid] = s.number("TotalHotkeyAlpha", hotkey, netuid), s.number("BlockAtRegistration", netuid, uid)
		in.Weights[uid], in.Bonds[uid] = row("Weights", uid), row("Bonds", uid)
		if !hiding {
			continue
		}
		in.Commits[uid] = math.MaxUint64
		if block, ok := waiting[string(hotkey)]; ok {
			in.Commits[uid] = block
		}
		if all, _ := s.commits(idx, hotkey); len(all) > 0 {
			if live, _ := s.expire(all, netuid); len(live) > 0 {
				in.Commits[uid] = min(in.Commits[uid], live[0].block)
			}
		}
	}
	return in
}

// waiting are the blocks of the earliest timelocked commits, by hotkey.
func (s state) waiting(idx uint64) map[string]uint64 {
	first := map[string]uint64{}
	for _, epoch := range s.commitEpochs(idx) {
		all, _ := s.get("TimelockedWeightCommits", idx, epoch).([]any)
		for _, c := range all {
			c, _ := c.([]any)
			who, _ := c[0].([]byte)
			block, _ := c[1].(uint64)
			if b, ok := first[string(who)]; !ok || block < b {
				first[string(who)] = block
			}
		}
	}
	return first
}

// cutoff is for how many blocks weights keep a validator active.
func (s state) cutoff(netuid uint64) uint64 {
	return max(s.number("ActivityCutoffFactorMilli", netuid)*s.number("Tempo", netuid)/1000, 1)
}
