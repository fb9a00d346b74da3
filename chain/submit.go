package chain

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/wallet"
)

// An Inclusion is where an extrinsic stands in the finalized chain, and what happened there.
type Inclusion struct {
	Hash      Hash // the extrinsic's
	Block     uint64
	BlockHash Hash
	Extrinsic int // its place in the block
	Events    []Event
}

// Errors of submitting. After each of these the chain holds nothing of the extrinsic, and never will, unless it says otherwise.
var (
	// ErrExpired says that an extrinsic was taken and not included before its time was past. It can never be, so that a new one is safe.
	ErrExpired = errors.New("no block included the extrinsic within its time")
	// ErrInFlight says that another extrinsic of the hotkey waits in the node's pool: this process, or another one, was interrupted or uses the same hotkey.
	ErrInFlight = errors.New("another extrinsic of this hotkey waits to be included")
	// ErrReplaced says that another extrinsic of the hotkey was included with the same nonce. Another process uses the hotkey.
	ErrReplaced = errors.New("another extrinsic of this hotkey was included in its place: another process uses it")
	// ErrOutcome says that an extrinsic was included so long ago that the node does not know any more what came of it.
	ErrOutcome = errors.New("it was included, and what came of it is not known any more")
	// ErrUnsure says that the wait for inclusion was given up. The extrinsic may still be included until its time is past.
	ErrUnsure = errors.New("it is not known whether the extrinsic will be included")
)

// period is for how many blocks an extrinsic may be included: 13 minutes of 12 s. The shorter, the sooner a lost one is known to be lost.
const period = 64

// A Signed extrinsic is ready to be submitted.
type Signed struct {
	Bytes []byte
	Hash  Hash
	Terms Terms
}

// Sign signs a call of the best block's runtime, from the finalized block on, since no fork takes that back, with the hotkey's next nonce.
func (c *Client) Sign(ctx context.Context, key Signer, pallet, name string, args ...any) (*Signed, error) {
	head, err := c.Head(ctx)
	if err != nil {
		return nil, err
	}
	call, err := head.Runtime.EncodeCall(pallet, name, args...)
	if err != nil {
		return nil, err
	}
	birth, err := c.Finalized(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := c.nonce(ctx, head, key.Public())
	if err != nil {
		return nil, err
	}
	t := Terms{Nonce: nonce, Mortality: Mortality{Birth: birth.Number, Hash: birth.Hash, Period: period}}
	b, err := head.Runtime.Sign(call, key, t)
	if err != nil {
		return nil, err
	}
	return &Signed{Bytes: b, Hash: Hash(scale.Blake2_256(b)), Terms: t}, nil
}

// nonce is the next of an account. One that the node's pool has moved on already is ErrInFlight.
func (c *Client) nonce(ctx context.Context, head *State, account [32]byte) (uint64, error) {
	v, err := head.Get(ctx, "System", "Account", account)
	if err != nil {
		return 0, err
	}
	nonce, _ := member(v, "nonce").(uint64)
	var next uint64
	err = c.rpc.Call(ctx, &next, "system_accountNextIndex", wallet.Address(account))
	if refused := (*rpc.Error)(nil); errors.As(err, &refused) {
		return nonce, nil // a node without a pool's view; the chain's own count stands
	}
	if err != nil {
		return 0, err
	}
	if next > nonce {
		again, err := c.Head(ctx) // a block may have come between the two questions
		if err != nil {
			return 0, err
		}
		if again.Hash != head.Hash {
			return c.nonce(ctx, again, account)
		}
		return 0, ErrInFlight
	}
	return nonce, nil
}

// Submit submits a signed extrinsic, waits until the finalized chain holds it, and reads its events. A failed one is an Inclusion and a Refusal.
// It never submits twice: when the connection is lost on the way, it looks for the extrinsic in the blocks as if it had arrived.
func (c *Client) Submit(ctx context.Context, key Signer, x *Signed) (*Inclusion, error) {
	unlock, err := c.lock(ctx, key.Public())
	if err != nil {
		return nil, err
	}
	defer unlock()
	return c.send(ctx, key, x)
}

// send is Submit for who holds the hotkey's lock, and has signed under it.
func (c *Client) send(ctx context.Context, key Signer, x *Signed) (*Inclusion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err := c.rpc.Call(ctx, nil, "author_submitExtrinsic", "0x"+hex.EncodeToString(x.Bytes))
	var refused *rpc.Error
	var busy *rpc.BusyError
	if errors.As(err, &refused) {
		err = early(err)
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Name != "AlreadyImported" {
			return nil, err
		}
	} else if errors.As(err, &busy) {
		return nil, err
	} // any other error: it may have arrived
	return c.Await(ctx, key.Public(), x)
}

// Resume submits the same bytes once more, which a chain can include only once, and waits for what becomes of them: for an extrinsic of which an earlier process does not
// know whether it was submitted. What the node says of it is no answer, since it may stand in a block already.
func (c *Client) Resume(ctx context.Context, account [32]byte, x *Signed) (*Inclusion, error) {
	unlock, err := c.lock(ctx, account)
	if err != nil {
		return nil, err
	}
	defer unlock()
	_ = c.rpc.Call(ctx, nil, "author_submitExtrinsic", "0x"+hex.EncodeToString(x.Bytes))
	return c.Await(ctx, account, x)
}

// lock waits until no other extrinsic of the hotkey is in flight in this process.
func (c *Client) lock(ctx context.Context, account [32]byte) (unlock func(), err error) {
	c.mu.Lock()
	flight := c.flights[account]
	if flight == nil {
		flight = make(chan struct{}, 1)
		c.flights[account] = flight
	}
	c.mu.Unlock()
	select {
	case flight <- struct{}{}:
		return func() { <-flight }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Await looks for an extrinsic in the finalized chain from its birth on, until it is there or can never be.
func (c *Client) Await(ctx context.Context, account [32]byte, x *Signed) (*Inclusion, error) {
	next, want := x.Terms.Birth+1, "0x"+hex.EncodeToString(x.Bytes)
	var found *Inclusion
	err := c.follow(ctx, finalizedHeads, func(h Header) (bool, error) {
		for ; next <= h.Number && next <= x.Terms.Last(); next++ {
			in, err := c.find(ctx, next, want)
			if err != nil {
				return false, err
			}
			if found = in; in != nil {
				return true, nil
			}
		}
		if h.Number > x.Terms.Last() {
			return true, ErrExpired
		}
		s, err := c.Finalized(ctx)
		if err != nil {
			return true, err
		}
		if s.Number >= next { // it moved on since; its blocks come first
			return false, nil
		}
		v, err := s.Get(ctx, "System", "Account", account)
		if nonce, _ := member(v, "nonce").(uint64); err == nil && nonce > x.Terms.Nonce {
			err = ErrReplaced
		}
		return err != nil, err
	})
	switch {
	case err == nil:
	case errors.Is(err, ErrExpired), errors.Is(err, ErrReplaced):
		return nil, fmt.Errorf("extrinsic %s: %w", x.Hash, err)
	default:
		return nil, fmt.Errorf("extrinsic %s: %w until block %d: %w", x.Hash, ErrUnsure, x.Terms.Last(), err)
	}
	found.Hash = x.Hash
	s, err := c.At(ctx, found.BlockHash)
	if err == nil {
		s, err = s.ran(ctx)
	}
	var all []Event
	if err == nil {
		all, err = s.events(ctx)
	}
	if refused := (*rpc.Error)(nil); errors.As(err, &refused) { // ordinary nodes keep the state of the last 256 blocks
		return found, fmt.Errorf("extrinsic %s in block %d: %w: %w", x.Hash, found.Block, ErrOutcome, err)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Extrinsic == found.Extrinsic {
			found.Events = append(found.Events, e)
		}
	}
	return found, s.outcome(all, found.Extrinsic)
}

// find looks for an extrinsic in a block; nil when it is not there.
func (c *Client) find(ctx context.Context, number uint64, want string) (*Inclusion, error) {
	hash, err := c.BlockHash(ctx, number)
	if err != nil {
		return nil, err
	}
	var b struct {
		Block struct{ Extrinsics []string }
	}
	if err := c.rpc.Call(ctx, &b, "chain_getBlock", hash); err != nil {
		return nil, err
	}
	for i, x := range b.Block.Extrinsics {
		if x == want {
			return &Inclusion{Block: number, BlockHash: hash, Extrinsic: i}, nil
		}
	}
	return nil, nil
}

// heads are which blocks to follow: the names of the subscription, and of the call that polls instead over HTTP.
type heads struct{ subscribe, unsubscribe, poll string }

var (
	bestHeads      = heads{"chain_subscribeNewHeads", "chain_unsubscribeNewHeads", "chain_getBlockHash"}
	finalizedHeads = heads{"chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads", "chain_getFinalizedHead"}
)

// pollEvery is how often a node that cannot push blocks is asked for them; a block takes 12 s on finney, a quarter of one on fast local chains.
const pollEvery = 250 * time.Millisecond

// transient says that an error is the connection's and passes, so that waiting goes on: nothing of the chain follows from it.
func transient(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && (errors.Is(err, rpc.ErrLost) || errors.Is(err, rpc.ErrSlow) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrNoBlock) || errors.As(err, new(*rpc.BusyError))) // the next node may lie a block behind
}

// pause waits before the next try, as long as a busy node asks for.
func pause(ctx context.Context, err error) {
	wait := pollEvery
	if busy := (*rpc.BusyError)(nil); errors.As(err, &busy) {
		wait = min(max(busy.RetryAfter, time.Second), time.Minute)
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// follow calls each with the head as it is, and with every new one, until each is done. What is transient is waited out.
func (c *Client) follow(ctx context.Context, which heads, each func(Header) (done bool, err error)) error {
	for {
		sub, err := c.rpc.Subscribe(ctx, which.subscribe, which.unsubscribe)
		if err == nil {
			var done bool
			done, err = c.heads(ctx, sub, each)
			sub.Close()
			if done {
				return err
			}
		} else if !transient(ctx, err) {
			if errors.Is(err, rpc.ErrNoSubscriptions) || errors.As(err, new(*rpc.Error)) {
				return c.poll(ctx, which, each)
			}
			return err
		}
		pause(ctx, err)
	}
}

// heads is follow on one subscription; not done when another is to go on.
func (c *Client) heads(ctx context.Context, sub *rpc.Subscription, each func(Header) (bool, error)) (done bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case raw, open := <-sub.C():
			if !open {
				err = sub.Err()
				return !transient(ctx, err), err
			}
			var h Header
			if err := h.UnmarshalJSON(raw); err != nil {
				return true, err
			}
			if done, err := each(h); done || err != nil {
				return !transient(ctx, err), err
			}
		}
	}
}

func (c *Client) poll(ctx context.Context, which heads, each func(Header) (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last Hash
	for {
		var hash Hash
		err := c.rpc.Call(ctx, &hash, which.poll)
		if err == nil && hash != last {
			var h Header
			if h, err = c.header(ctx, hash); err == nil {
				last = hash
				var done bool
				if done, err = each(h); done && err == nil {
					return nil
				}
			}
		}
		if err != nil && !transient(ctx, err) {
			return err
		} else if err != nil {
			pause(ctx, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
