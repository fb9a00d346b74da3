// Package yuma is the Yuma consensus of subtensor: one epoch of a subnet, from what is stored before it to what is stored after it, as a pure function.
//
// It follows pallets/subtensor/src/epoch of opentensor/subtensor at commit 14bc6f9f9, in the sparse form that the chain runs (epoch_mechanism in
// run_epoch.rs; the arithmetic is in math.rs), both without and with Yuma 3 and liquid alpha. Numbers are I32F32 throughout, rounded as there, so that
// every stored value is the chain's to the last unit.
//
// With S the stake that is active, W the weights normalised by row, and kappa the majority:
//
//	C_j  = the largest weight of j that validators of more than kappa of the stake reach (a weighted median)
//	W'   = min(W, C)
//	Tv_i = sum_j W'_ij                    validator trust
//	I_j  = sum_i S_i W'_ij, normalised    incentive
//	B_ij = a moving average over epochs   bonds, see bonds.go
//	D_i  = sum_j B_ij I_j, normalised     dividends; in Yuma 3 times S_i
//
// Half of an epoch's emission goes by I, half by D. Without any weight that counts it all goes by stake.
package yuma

// Weight is one entry of a stored row: what a validator gives to a neuron, or what bond it holds in it. Value is a share of 65535.
type Weight struct{ UID, Value uint16 }

// LiquidAlpha makes the bonds of Yuma 3 move the faster, the further a validator's weight is from the consensus.
type LiquidAlpha struct {
	Low, High uint16 // AlphaValues: the slowest and the fastest rate, shares of 65535
	Steepness int16  // AlphaSigmoidSteepness, hundredths
}

// Input is what an epoch reads. Names in comments are those of the pallet's storage. Slices are by uid and of the length of Stake; blocks are
// block numbers.
type Input struct {
	Stake      []uint64   // the neurons' stake weights, whole rao; the sum is at most 2^63-1
	Owner      *uint16    // uid of the subnet owner's hotkey: it always has a permit and may weigh itself; nil is none
	Permits    []bool     // ValidatorPermit
	Weights    [][]Weight // rows in any order, a uid once; to liquid alpha a 0 is not the same as none
	Bonds      [][]Weight // as weights
	LastUpdate []uint64   // block of the last weights
	Registered []uint64   // BlockAtRegistration
	Commits    []uint64   // block of the earliest commit that waits for its reveal, math.MaxUint64 for none; nil where commit-reveal is off

	Block          uint64
	LastEpoch      uint64 // LastMechansimStepBlock; 0 is never, and then Tempo counts
	Tempo          uint64 // blocks
	ActivityCutoff uint64 // blocks for which a neuron stays active after its last weights

	MinStake           uint64       // StakeThreshold: less stake than this counts as none, in rao
	MaxValidators      uint16       // MaxAllowedValidators
	Kappa              uint16       // share of 65535
	BondsPenalty       uint16       // share of 65535: 0 takes bonds from W, 65535 from W'
	BondsMovingAverage uint64       // millionths that bonds keep each epoch, at most 1,000,000
	Yuma3              bool         // Yuma3On
	LiquidAlpha        *LiquidAlpha // nil is off; without Yuma 3 it has no effect

	Emission uint64 // of this epoch for the whole subnet, rao
}

// Output is what an epoch stores, by uid. A uint16 is a share of 65535, rounded down. Ranks and trust are no longer stored at this commit.
type Output struct {
	StakeWeight    []uint16 // share of the stake, before inactive neurons are left out
	Consensus      []uint16
	ValidatorTrust []uint16
	Incentive      []uint16
	Dividends      []uint16
	Active         []bool
	Permits        []bool     // ValidatorPermit for the next epoch: the MaxValidators largest stakes above 0, and the owner
	Bonds          [][]Weight // by uid, in order; only of those with a new permit

	ServerEmission    []uint64 // rao
	ValidatorEmission []uint64 // rao
	Emission          []uint64 // Emission: both together, rounded by itself
}

// Epoch computes one epoch. The error is an ErrInput.
func Epoch(in Input) (Output, error) {
	if err := in.check(); err != nil {
		return Output{}, err
	}
	return in.terms().output(in.Emission), nil
}

// terms are the vectors of an epoch before they are rounded for storage.
type terms struct {
	stake, activeStake                    []fixed
	consensus, trust, incentive, dividend []fixed
	server, validator, combined           []fixed // shares of the emission
	weights, clipped, bonds               matrix
	active, permits                       []bool
}

func (in Input) terms() terms {
	var t terms
	t.active = in.active()
	t.stake = in.stake()
	t.permits = topStakes(t.stake, int(in.MaxValidators))
	if in.Owner != nil {
		t.permits[*in.Owner] = true
	}
	t.activeStake = make([]fixed, len(t.stake))
	for i, s := range t.stake {
		if t.active[i] && in.permitted(i) {
			t.activeStake[i] = s
		}
	}
	normalize(t.activeStake)

	t.weights = in.weights()
	t.weights.normalizeRows()
	t.consensus = t.weights.medians(t.activeStake, share(in.Kappa))
	t.clipped = t.weights.clip(t.consensus)
	t.trust = t.clipped.sumRows()
	t.incentive = t.clipped.weighRows(t.activeStake)
	normalize(t.incentive)

	if in.Yuma3 {
		t.bonds, t.dividend = in.bonds3(t)
	} else {
		t.bonds, t.dividend = in.bonds2(t)
	}
	t.shareEmission()
	return t
}

// shareEmission shares by incentive and dividends alike, and by stake where there is neither.
func (t *terms) shareEmission() {
	n := len(t.stake)
	t.server, t.validator, t.combined = make([]fixed, n), make([]fixed, n), make([]fixed, n)
	for i := range n {
		t.combined[i] = t.incentive[i] + t.dividend[i]
	}
	total := sum(t.combined)
	if total == 0 {
		t.validator = t.activeStake
		if sum(t.activeStake) == 0 {
			t.validator = t.stake
		}
		t.combined = t.validator
		return
	}
	for i := range n {
		t.server[i], t.validator[i] = div(t.incentive[i], total), div(t.dividend[i], total)
	}
	normalize(t.combined)
}

func (t terms) output(emission uint64) Output {
	o := Output{
		StakeWeight: shares(t.stake), Consensus: shares(t.consensus), ValidatorTrust: shares(t.trust), Incentive: shares(t.incentive),
		Dividends: shares(t.dividend), Active: t.active, Permits: t.permits, Bonds: make([][]Weight, len(t.stake)),
		ServerEmission: of(t.server, emission), ValidatorEmission: of(t.validator, emission), Emission: of(t.combined, emission),
	}
	for i, row := range t.bonds {
		if t.permits[i] {
			for _, c := range row {
				o.Bonds[i] = append(o.Bonds[i], Weight{c.uid, c.value.stored()})
			}
		}
	}
	return o
}
