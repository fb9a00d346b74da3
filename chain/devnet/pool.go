package devnet

import (
	"cmp"
	"slices"

	"golang.org/x/crypto/blake2b"
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
	validity
	arrived uint64
	until   uint64 // the last block it is valid in
}

// pool holds valid extrinsics until a block takes them. Its node's lock guards it.
type pool struct {
	all     map[hash]*waiting
	bans    map[hash]uint32 // until which block
	arrived uint64
}

func newPool() *pool { return &pool{all: map[hash]*waiting{}, bans: map[hash]uint32{}} }

// add takes an extrinsic that was found valid at block number. usurped is one that it replaces.
func (p *pool) add(xt []byte, v validity, number uint32) (h hash, usurped *waiting, err *rpcError) {
	h = blake2b.Sum256(xt)
	if err := p.refuses(h, number); err != nil {
		return h, nil, err
	}
	for _, w := range p.all {
		if w.Signer == v.Signer && w.Nonce == v.Nonce {
			if v.Priority <= w.Priority {
				return h, nil, &rpcError{1014, "Priority is too low: (" + decimal(w.Priority) + " vs " + decimal(v.Priority) + ")",
					"The transaction has too low priority to replace another transaction already in the pool."}
			}
			usurped = w
		}
	}
	if usurped == nil && len(p.all) >= maxPool {
		return h, nil, &rpcError{1016, "Immediately Dropped", "The transaction couldn't enter the pool because of the limit"}
	}
	if usurped != nil {
		delete(p.all, usurped.hash)
	}
	p.arrived++
	p.all[h] = &waiting{h, xt, v, p.arrived, uint64(number) + min(v.Longevity, 1<<40)}
	return h, usurped, nil
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
