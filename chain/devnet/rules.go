package devnet

import (
	"fmt"
	"time"
)

// store is the state that the rules read and write. What Get and Keys return stays as it is and may be kept.
type store interface {
	Get(key []byte) []byte // nil: absent
	Put(key, value []byte)
	Delete(key []byte)
	Keys(prefix, after []byte, limit int) [][]byte // in order, after the key after when it is not nil; limit 0: all
}

// chainRuntime is the chain's rules: what a runtime of Substrate is to its node. A *invalid from Validate and Apply leaves the store as it
// was.
type chainRuntime interface {
	Version() version
	Metadata(version byte) ([]byte, bool)
	Genesis(s store, g genesis) error
	Begin(s store, b beginning)
	Inherents(b beginning) [][]byte
	Validate(s store, head hash, xt []byte) (validity, error) // in the block after head, of which s is the state
	Apply(s store, xt []byte) error
	End(s store)
	Call(s store, function string, args []byte) ([]byte, error)
}

type version struct {
	Spec, Impl                                                       string
	Authoring, SpecVersion, ImplVersion, TransactionVersion, StateOf uint32
	APIs                                                             []api
}

type api struct {
	ID      [8]byte
	Version uint32
}

// beginning is what is known of a block before its extrinsics.
type beginning struct {
	Number uint32
	Parent [32]byte
	Time   time.Time
	Pulses []pulse
}

type pulse struct {
	Round     uint64
	Signature []byte
}

// genesis is what block 0 is made of. A neuron's uid is its index.
type genesis struct {
	Time          time.Time
	Netuid, Tempo uint16
	Neurons       []neuron
	Owner, Sudo   [32]byte
	CommitReveal  CommitReveal
	Rich          map[[32]byte]uint64
}

type neuron struct {
	Hotkey, Coldkey [32]byte
	Stake           uint64 // rao
}

type validity struct {
	Signer    [32]byte
	Nonce     uint32
	Priority  uint64
	Longevity uint64
}

type fault byte

const (
	badProof fault = iota
	stale
	future
	payment
	ancient
	custom
	call
)

// invalid is an extrinsic that the rules refuse before they run it. Source: sp_runtime's InvalidTransaction.
type invalid struct {
	kind fault
	code byte
}

// Error is the text that Substrate's sc-rpc-api sends as the data of code 1010.
func (i *invalid) Error() string {
	switch i.kind {
	case badProof:
		return "Transaction has a bad signature"
	case stale:
		return "Transaction is outdated"
	case future:
		return "Transaction will be valid in the future"
	case payment:
		return "Inability to pay some fees (e.g. account balance too low)"
	case ancient:
		return "Transaction has an ancient birth block"
	case custom:
		return fmt.Sprintf("Custom error: %d", i.code)
	default:
		return "Transaction call is not expected"
	}
}
