package devnet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/vision19/vision/chain/devnet/runtime"
)

const (
	// maxPool bounds the extrinsics that wait. Source: Substrate's default for the ready ones.
	maxPool = 8192
	// maxExtrinsic bounds an extrinsic in bytes: a block of subtensor takes 5 MiB in all.
	maxExtrinsic = 1 << 20
	// maxInBlock bounds what one block takes from the pool.
	maxInBlock = 1024
	// banned is for how many blocks an invalid or included extrinsic is not taken again: 30 minutes of chain time, as in Substrate.
	banned = 150
)

// waiting is an extrinsic in the pool.
type waiting struct {
	hash hash
	xt   []byte
	runtime.Validity
	arrived uint64
	until   uint64 // the last block it is valid in
}

// pool holds valid extrinsics until a block takes them. Its node's lock guards it.
type pool struct {
	all     map[hash]*waiting
	bans    map[hash]uint32 // until which block
	arrived uint64
	limit   int // maxPool, but in a test
}

func newPool() *pool { return &pool{all: map[hash]*waiting{}, bans: map[hash]uint32{}, limit: maxPool} }

// refusal is what a submitter is told of an extrinsic that the runtime does not find valid. Source: sc-rpc-api's author errors, with the
// texts of sp_runtime's InvalidTransaction and UnknownTransaction as data.
func refusal(err error) *rpcError {
	texts := map[runtime.Kind]string{
		runtime.InvalidCall:      "Transaction call is not expected",
		runtime.InvalidPayment:   "Inability to pay some fees (e.g. account balance too low)",
		runtime.InvalidFuture:    "Transaction will be valid in the future",
		runtime.InvalidStale:     "Transaction is outdated",
		runtime.InvalidBadProof:  "Transaction has a bad signature",
		runtime.InvalidAncient:   "Transaction has an ancient birth block",
		runtime.InvalidExhausts:  "Transaction would exhaust the block limits",
		runtime.InvalidMandatory: "A call was labelled as mandatory, but resulted in an Error.",
		runtime.InvalidBadSigner: "Invalid signing address",
	}
	var bad *runtime.Invalid
	switch {
	case !errors.As(err, &bad):
		return &rpcError{1002, "Verification Error: " + err.Error(), nil}
	case bad.Kind == runtime.InvalidUnknown:
		return &rpcError{1011, "Unknown Transaction Validity", "NoUnsignedValidator"}
	case bad.Kind == runtime.InvalidCustom:
		return &rpcError{1010, "Invalid Transaction", fmt.Sprintf("Custom error: %d", bad.Custom)}
	}
	return &rpcError{1010, "Invalid Transaction", texts[bad.Kind]}
}

// add takes an extrinsic that was found valid at block number. usurped is one that it replaces.
func (p *pool) add(h hash, xt []byte, v runtime.Validity, number uint32) (usurped *waiting, _ *rpcError) {
	for _, w := range p.all {
		if w.Signer == v.Signer && w.Nonce == v.Nonce {
			if v.Priority <= w.Priority {
				return nil, &rpcError{1014, "Priority is too low: (" + decimal(w.Priority) + " vs " + decimal(v.Priority) + ")",
					"The transaction has too low priority to replace another transaction already in the pool."}
			}
			usurped = w
		}
	}
	if usurped == nil && len(p.all) >= p.limit {
		return nil, &rpcError{1016, "Immediately Dropped", "The transaction couldn't enter the pool because of the limit"}
	}
	if usurped != nil {
		delete(p.all, usurped.hash)
	}
	p.arrived++
	p.all[h] = &waiting{h, xt, v, p.arrived, uint64(number) + min(v.Longevity, 1<<40)}
	return usurped, nil
}

func (p *pool) refuses(h hash, number uint32) *rpcError {
	if until, ok := p.bans[h]; ok && number < until {
		return &rpcError{1012, "Transaction is temporarily banned", nil}
	}
	if p.all[h] != nil {
		return &rpcError{1013, "Transaction is already imported", nil}
	}
	return nil
}

func (p *pool) ban(h hash, number uint32) {
	if len(p.bans) >= maxPool {
		for h, until := range p.bans {
			if until <= number {
				delete(p.bans, h)
			}
		}
	}
	if len(p.bans) < 4*maxPool {
		p.bans[h] = number + banned
	}
}

// ordered are those that wait: a signer's in the order of their nonces, then by priority, then as they came.
func (p *pool) ordered() []*waiting {
	list := make([]*waiting, 0, len(p.all))
	for _, w := range p.all {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *waiting) int {
		return cmp.Or(cmp.Compare(a.Nonce, b.Nonce), cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.arrived, b.arrived))
	})
	return list
}
