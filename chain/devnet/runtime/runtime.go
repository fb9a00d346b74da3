// Package runtime is the local chain's runtime: subtensor's rules for weights, commits, epochs, registration and stake as pure state transitions over
// a key-value store, under the storage keys and with the SCALE values that subtensor has, and with metadata that says so. It knows no clock and no
// network: a Block says what time it is and which beacon pulses have come.
//
// The rules are those of opentensor/subtensor at 14bc6f9f9 (spec 425), read there and written anew. What is simpler than there: stake is 1 to 1 with
// tao (no pool, no price, no slippage), the burn of a registration is fixed, each block emits one alpha to each subnet, nothing goes to root or to
// an owner's cut, only sr25519 signs, and fees are a sum by length. Errors, their order and their events are the chain's.
package runtime

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

// Store keeps the state. Get's nil is absence; Keys are those with a prefix, after one, in order, at most limit (0: all).
type Store interface {
	Get(key []byte) []byte
	Put(key, value []byte)
	Delete(key []byte)
	Keys(prefix, after []byte, limit int) [][]byte
}

// Spec is the spec version of the rules, and of a new chain.
const Spec = 425

// Version is what state_getRuntimeVersion says.
type Version struct {
	SpecName, ImplName                                             string
	AuthoringVersion, SpecVersion, ImplVersion, TransactionVersion uint32
	StateVersion                                                   byte
	APIs                                                           []APIVersion
}

// An APIVersion is one runtime API: blake2b of its name, 8 bytes long, and its version.
type APIVersion struct {
	ID      [8]byte
	Version uint32
}

func (v Version) value() scale.Struct {
	apis := make([]any, len(v.APIs))
	for i, a := range v.APIs {
		apis[i] = []any{a.ID[:], a.Version}
	}
	return scale.Struct{
		{Name: "spec_name", Value: v.SpecName}, {Name: "impl_name", Value: v.ImplName}, {Name: "authoring_version", Value: v.AuthoringVersion},
		{Name: "spec_version", Value: v.SpecVersion}, {Name: "impl_version", Value: v.ImplVersion}, {Name: "apis", Value: apis},
		{Name: "transaction_version", Value: v.TransactionVersion}, {Name: "system_version", Value: v.StateVersion},
	}
}

// A Block is what the node knows of a block before its transactions.
type Block struct {
	Number uint32
	Parent [32]byte  // hash of the block before
	Time   time.Time // to the millisecond
	Pulses []Pulse   // by round; those that are stored already, or whose signature is wrong, count as not come
}

// A Pulse is a round of the beacon.
type Pulse struct {
	Round     uint64 // from 1
	Signature []byte // BLS, in G1: 48 bytes
}

// Runtime is the rules; it keeps no state of its own and may be used by many goroutines.
type Runtime struct {
	version Version
	beacon  tlock.Beacon
	meta    *scale.Metadata
	v14     []byte
	v15     []byte
	entries map[string]*place
	call    int            // the type of all calls
	ids     map[string]int // types that the code encodes by name
	zeros   map[string][]byte
}

// place is one storage entry, ready to use.
type place struct {
	prefix   []byte
	hashers  []scale.Hasher
	keys     []int
	value    int
	fallback []byte
	optional bool
}

// New builds a runtime, whose timelocked commits the beacon's pulses open. The tables are its own, so it cannot fail. All versions have the same rules;
// in every second one, Spec + 1 being the first, pallets from SubtensorModule on have an index one higher, so that a client that keeps the numbers of the
// version before is found out.
func New(spec uint32, beacon tlock.Beacon) *Runtime {
	v := Version{SpecName: "node-subtensor", ImplName: "node-subtensor", AuthoringVersion: 1, SpecVersion: spec, ImplVersion: 1,
		TransactionVersion: 1, StateVersion: 1}
	for _, a := range apis() {
		v.APIs = append(v.APIs, APIVersion{[8]byte(blake2b64(a.name)), a.version})
	}
	return build(v, beacon, pallets(v, byte((spec-Spec)%2)))
}

// Upgrade writes into a state that this runtime is the one of the next block, as System.LastRuntimeUpgrade.
func (r *Runtime) Upgrade(store Store) {
	state{r, store}.put(fields("spec_version", r.version.SpecVersion, "spec_name", r.version.SpecName), "System.LastRuntimeUpgrade")
}

// SpecOf is the spec version of a state's runtime, as Upgrade and Genesis write it. ok is false where no runtime has written one.
func SpecOf(store Store) (spec uint32, ok bool) {
	r := scale.NewReader(store.Get(append(scale.Twox([]byte("System"), 128), scale.Twox([]byte("LastRuntimeUpgrade"), 128)...)))
	n := r.Compact()
	return uint32(n), r.Err() == nil && n <= math.MaxUint32
}

// Version says which runtime this is.
func (r *Runtime) Version() Version { return r.version }

// Metadata is the metadata of version 14 or 15, encoded, or false.
func (r *Runtime) Metadata(version byte) ([]byte, bool) {
	switch version {
	case 14:
		return r.v14, true
	case 15:
		return r.v15, true
	}
	return nil, false
}

// Kind is why a transaction is not valid, numbered as sp_runtime's InvalidTransaction.
type Kind byte

// The kinds. Future is a nonce before its turn, Stale one that was used; BadSigner is what sudo by another key is; Custom carries a number of
// subtensor's own.
const (
	InvalidCall      Kind = 0
	InvalidPayment   Kind = 1
	InvalidFuture    Kind = 2
	InvalidStale     Kind = 3
	InvalidBadProof  Kind = 4
	InvalidAncient   Kind = 5
	InvalidExhausts  Kind = 6
	InvalidCustom    Kind = 7
	InvalidMandatory Kind = 8
	InvalidBadSigner Kind = 10
	InvalidUnknown   Kind = 255 // UnknownTransaction: an unsigned transaction that nobody vouches for
)

const (
	longestRecursion   = 8    // calls within calls: sudo and batches. Deeper ones are refused as Call
	blockHashCount     = 2400 // blocks whose hash stays, and so the longest era
	existentialDeposit = 500  // rao
)

// String is the name that sp_runtime has for it.
func (k Kind) String() string {
	names := map[Kind]string{InvalidCall: "Call", InvalidPayment: "Payment", InvalidFuture: "Future", InvalidStale: "Stale", InvalidBadProof: "BadProof",
		InvalidAncient: "AncientBirthBlock", InvalidExhausts: "ExhaustsResources", InvalidCustom: "Custom", InvalidMandatory: "BadMandatory",
		InvalidBadSigner: "BadSigner", InvalidUnknown: "NoUnsignedValidator"}
	if n, ok := names[k]; ok {
		return n
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Invalid says that a transaction cannot be in a block.
type Invalid struct {
	Kind   Kind
	Custom byte   // with Custom: common/src/transaction_error.rs
	Why    string // what was wrong, for a log
}

// Error is for a log: it names the kind, the number, and why.
func (e *Invalid) Error() string {
	s := "invalid transaction: " + e.Kind.String()
	if e.Kind == InvalidCustom {
		s += fmt.Sprintf("(%d)", e.Custom)
	}
	if e.Why != "" {
		s += ": " + e.Why
	}
	return s
}

// ErrNoFunction says that state_call named a function that this runtime lacks.
var ErrNoFunction = errors.New("the runtime has no such function")

// blake2b64 is blake2b of 8 bytes.
func blake2b64(s string) []byte {
	h, err := blake2b.New(8, nil)
	if err != nil {
		panic(fmt.Sprintf("blake2b of 8 bytes: %v", err)) // it refuses sizes above 64 only
	}
	h.Write([]byte(s))
	return h.Sum(nil)
}
