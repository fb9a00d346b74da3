package chain

import (
	"encoding/binary"
	"time"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

// StorageIndex is under which number a subnet's mechanism keeps its weights (pallets/subtensor/src/subnets/mechanism.rs). Mechanism 0 is the main one.
func StorageIndex(netuid uint16, mechanism uint8) uint16 { return uint16(mechanism)*4096 + netuid }

// CommitHash is what commit-reveal version 2 commits to (get_commit_hash of pallets/subtensor/src/subnets/weights.rs).
func CommitHash(hotkey [32]byte, index uint16, weights []Weight, salt []uint16, versionKey uint64) Hash {
	b := binary.LittleEndian.AppendUint16(hotkey[:], index)
	b = appendWeights(b, weights)
	b = appendU16s(b, salt)
	return Hash(scale.Blake2_256(binary.LittleEndian.AppendUint64(b, versionKey)))
}

// TimelockPayload is what commit-reveal version 4 encrypts (WeightsTlockPayload of pallets/subtensor/src/coinbase/reveal_commits.rs).
func TimelockPayload(hotkey [32]byte, weights []Weight, versionKey uint64) []byte {
	b := appendWeights(scale.AppendBlob(nil, hotkey[:]), weights)
	return binary.LittleEndian.AppendUint64(b, versionKey)
}

// appendWeights appends the uids, then the values.
func appendWeights(b []byte, weights []Weight) []byte {
	uids, values := columns(weights)
	return appendU16s(appendU16s(b, uids), values)
}

func columns(weights []Weight) (uids, values []uint16) {
	uids, values = make([]uint16, len(weights)), make([]uint16, len(weights))
	for i, w := range weights {
		uids[i], values[i] = w.UID, w.Value
	}
	return uids, values
}

func appendU16s(b []byte, all []uint16) []byte {
	b = scale.AppendCompact(b, uint64(len(all)))
	for _, v := range all {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// An Epochs tells when a subnet's epochs begin, as of a block. Since mid-2026 the chain counts them (Dynamic); before, they followed from the block, the
// tempo and the netuid. The first runtimes with commit-reveal, of 2024, counted intervals in their place.
type Epochs struct {
	Netuid   uint16
	Block    uint64 // the block at which the rest was read
	Tempo    uint64 // blocks of an epoch; one more where it is not dynamic
	Period   uint64 // how many epochs after the commit its reveal is
	Interval uint64 // blocks of an interval, which is what an epoch then is here; 0 on later runtimes
	Dynamic  bool
	Index    uint64 // Dynamic: the number of epochs so far
	Next     uint64 // Dynamic: the block at which the next one begins
}

// At is the number of the epoch to which a commit in a block belongs. For blocks beyond the next epoch it takes the tempo to stay what it is.
func (e Epochs) At(block uint64) uint64 {
	switch {
	case e.Interval > 0:
		return block / e.Interval
	case e.Tempo == 0:
		return 0
	case !e.Dynamic:
		return (block + uint64(e.Netuid) + 1) / (e.Tempo + 1)
	case block < e.Next:
		return e.Index
	}
	return e.Index + 1 + (block-e.Next)/e.Tempo
}

// First is the first block of an epoch that has not begun at Block. Of a dynamic epoch that has begun it is Block.
func (e Epochs) First(epoch uint64) uint64 {
	switch {
	case e.Interval > 0:
		return epoch * e.Interval
	case !e.Dynamic:
		return max(epoch*(e.Tempo+1), uint64(e.Netuid)+1) - uint64(e.Netuid) - 1
	case epoch <= e.Index:
		return e.Block
	}
	return e.Next + (epoch-e.Index-1)*e.Tempo
}

// settleBlocks is how many blocks after an epoch's first its reveal round comes, so that the beacon's pulse is on the chain only when the epoch has begun for
// certain (SECURITY_BLOCK_OFFSET of bittensor-drand). The chain tries to reveal in every block of the epoch.
const settleBlocks = 3

// RevealRound is the beacon's round that a commit made in a block is encrypted to: the first of whose signature nobody can know before the reveal epoch.
// now is the time at Block.
func (e Epochs) RevealRound(beacon tlock.Beacon, commit uint64, now time.Time, blockTime time.Duration) uint64 {
	first := e.First(e.At(commit) + e.Period)
	round := beacon.Round(now.Add(time.Duration(int64(first)+settleBlocks-int64(e.Block)) * blockTime))
	return max(round, 1) - 1 // the SDK counts whole periods, and so takes the round before the newest
}
