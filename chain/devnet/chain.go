package devnet

import (
	"errors"
	"fmt"
	"time"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/tlock"
)

const (
	// keptBlocks is how many blocks keep their state and extrinsics: Substrate's default is 256; a day of test wants some more.
	keptBlocks = 4096
	// maxBlocks bounds the blocks that one call makes.
	maxBlocks = 4096
)

// ErrFinal is a fork that would go behind the finalized block.
var ErrFinal = errors.New("the fork would go behind the finalized block")

// chain is the canonical chain and its pool. Its node's lock guards it.
type chain struct {
	genesis   *block
	start     time.Time // of block 0
	canonical map[uint32]*block
	byHash    map[hash]*block // also those a fork dropped
	old       []*block        // dropped ones, oldest first
	head      *block
	final     *block
	lag       uint32
	branch    uint32
	pool      *pool
	kept      uint32 // keptBlocks, but in a test
	upgrade   bool   // the next block ends with a new runtime
	signer    *tlock.Signer
	tell      *Node // whose subscriptions are told as blocks come and go
}

// time is that of a block: 12 s after its parent's, whatever the wall clock says. So arithmetic in blocks and in drand rounds holds on
// a chain whose blocks come every 250 ms; its clock then runs 48 times as fast.
func (c *chain) time(number uint32) time.Time {
	return c.start.Add(time.Duration(number) * slot)
}

// begin makes the genesis, or goes on from one that was kept.
func (c *chain) begin(genesis *block, head *block) {
	c.canonical, c.byHash = map[uint32]*block{}, map[hash]*block{}
	c.genesis, c.head, c.final, c.pool = genesis, head, head, newPool()
	for _, b := range []*block{genesis, head} {
		c.canonical[b.number], c.byHash[b.hash] = b, b
	}
}

// build makes the next block and takes from the pool what is valid in it.
func (c *chain) build() error {
	b, err := c.next()
	if err != nil {
		return err
	}
	c.extend(b, nil)
	return nil
}

// next is a block on the head.
func (c *chain) next() (*block, error) {
	parent := c.head
	b := &block{number: parent.number + 1, parent: parent.hash, branch: c.branch, runtime: parent.runtime}
	at := runtime.Block{Number: b.number, Parent: parent.hash, Time: c.time(b.number)}
	var err error
	if at.Pulses, err = c.pulses(c.time(parent.number), at.Time); err != nil {
		return nil, fmt.Errorf("block %d: %w", b.number, err)
	}
	s := &state{parent.state}
	b.runtime.Begin(s, at)
	for _, xt := range b.runtime.Inherents(at) {
		if err := b.runtime.Apply(s, xt); err != nil {
			return nil, fmt.Errorf("block %d: inherent: %w", b.number, err)
		}
		b.extrinsics = append(b.extrinsics, xt)
	}
	c.fill(b, s)
	b.runtime.End(s)
	if c.upgrade {
		c.upgrade = false
		b.runtime = runtime.New(b.runtime.Version().SpecVersion+1, c.signer.Beacon())
		b.runtime.Upgrade(s)
	}
	b.seal(s.tree)
	return b, nil
}

// pulses are the beacon's in a span of the chain's time.
func (c *chain) pulses(after, upTo time.Time) ([]runtime.Pulse, error) {
	var all []runtime.Pulse
	b := c.signer.Beacon()
	for round := b.Round(after) + 1; round <= b.Round(upTo); round++ {
		sig, err := c.signer.Sign(round)
		if err != nil {
			return nil, err
		}
		all = append(all, runtime.Pulse{Round: round, Signature: sig})
	}
	return all, nil
}

func (c *chain) fill(b *block, s *state) {
	taken := 0
	for _, w := range c.pool.ordered() {
		if w.until < uint64(b.number) {
			delete(c.pool.all, w.hash)
			c.tell.last(w.hash, "invalid")
			continue
		}
		if taken >= maxInBlock {
			continue
		}
		before := s.tree
		err := b.runtime.Apply(s, w.xt)
		var bad *runtime.Invalid
		switch {
		case err == nil:
			taken++
			b.extrinsics = append(b.extrinsics, w.xt)
			delete(c.pool.all, w.hash)
			c.pool.ban(w.hash, b.number)
		case errors.As(err, &bad) && bad.Kind == runtime.InvalidFuture:
			s.tree = before
		default:
			s.tree = before
			delete(c.pool.all, w.hash)
			c.pool.ban(w.hash, b.number)
			c.tell.last(w.hash, "invalid")
		}
	}
}

// extend makes b the head. dropped are the blocks it replaces.
func (c *chain) extend(b *block, dropped []*block) {
	c.head, c.canonical[b.number], c.byHash[b.hash] = b, b, b
	if b.number > c.kept {
		if o := c.canonical[b.number-c.kept]; o != nil {
			delete(c.byHash, o.hash)
			delete(c.canonical, o.number)
		}
	}
	c.tell.newHead(b, dropped)
	for c.final.number+c.lag < b.number {
		c.final = c.canonical[c.final.number+1]
		c.tell.finalized(c.final)
	}
}

// fork drops the newest blocks and builds one more than it dropped, on their ancestor. What they held goes back to the pool, or is lost.
func (c *chain) fork(blocks uint32, lose bool) error {
	if room := c.head.number - c.final.number; blocks < 1 || blocks > room {
		return fmt.Errorf("%w: %d blocks back from %d, and %d is finalized: 1 to %d can go", ErrFinal, blocks, c.head.number, c.final.number, room)
	}
	var dropped []*block
	ancestor := c.head
	for range blocks {
		dropped = append(dropped, ancestor)
		delete(c.canonical, ancestor.number)
		ancestor = c.byHash[ancestor.parent]
	}
	c.head = ancestor
	c.branch++
	c.keepDropped(dropped)
	c.returnToPool(dropped, lose)
	for i := range blocks + 1 {
		b, err := c.next()
		if err != nil {
			return err
		}
		if i > 0 {
			dropped = nil
		}
		c.extend(b, dropped)
	}
	return nil
}

// keepDropped lets the blocks of a dropped branch be read for a while.
func (c *chain) keepDropped(dropped []*block) {
	c.old = append(c.old, dropped...)
	for len(c.old) > int(c.kept) {
		delete(c.byHash, c.old[0].hash)
		c.old = c.old[1:]
	}
}

func (c *chain) returnToPool(dropped []*block, lose bool) {
	s := &state{c.head.state}
	for i := len(dropped) - 1; i >= 0; i-- {
		for _, xt := range dropped[i].extrinsics {
			h := sum(xt)
			if _, ok := c.pool.bans[h]; !ok {
				continue // an inherent
			}
			delete(c.pool.bans, h)
			if lose {
				continue
			}
			v, err := c.head.runtime.Validate(c.head.runtime.Next(s, c.head.hash), xt)
			if err == nil {
				if _, refused := c.pool.add(h, xt, v, c.head.number); refused == nil {
					continue
				}
			}
			c.tell.last(h, "invalid")
		}
	}
}

// submit takes an extrinsic into the pool.
func (c *chain) submit(xt []byte) (h hash, usurped *waiting, _ *rpcError) {
	h = sum(xt)
	if len(xt) > maxExtrinsic {
		return h, nil, &rpcError{1010, "Invalid Transaction", "Transaction would exhaust the block limits"}
	}
	if err := c.pool.refuses(h, c.head.number); err != nil {
		return h, nil, err
	}
	rt := c.head.runtime
	v, err := rt.Validate(rt.Next(&state{c.head.state}, c.head.hash), xt)
	if err != nil {
		refused := refusal(err)
		if refused.Code == 1010 {
			c.pool.ban(h, c.head.number)
		}
		return h, nil, refused
	}
	usurped, full := c.pool.add(h, xt, v, c.head.number)
	return h, usurped, full
}

// at is a block that still has its state. The text for one that has not is Substrate's.
func (c *chain) at(h *hash) (*block, *rpcError) {
	if h == nil {
		return c.head, nil
	}
	b := c.byHash[*h]
	if b == nil || b.state == nil {
		return nil, &rpcError{4003, "Client error: UnknownBlock: State already discarded for " + h.String(), nil}
	}
	return b, nil
}
