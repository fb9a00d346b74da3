package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/vision19/vision/chain/scale"
)

// Advance does for an open record what can be done now, and returns whether the record is closed. It is what a restart calls for each record that is
// open: an extrinsic is looked for where it may have got to, a commit is revealed in its epoch, and what the chain reveals by itself is read back.
// A record that failed is an error that says why.
func (s *Setter) Advance(ctx context.Context, r *Record) (closed bool, err error) {
	switch {
	case !r.Open():
	case r.Terms != nil: // an extrinsic whose inclusion is to be seen
		in, err := s.Client.Resume(ctx, s.Key.Public(), &Signed{Bytes: r.Bytes, Hash: r.Extrinsic, Terms: *r.Terms})
		err = s.settle(ctx, r, in, err)
		return !r.Open(), err
	case r.Method == V2:
		err = s.reveal(ctx, r)
	case r.Method == V4:
		err = s.revealed(ctx, r)
	}
	return !r.Open(), err
}

// Finish advances records with every finalized block until all are closed.
func (s *Setter) Finish(ctx context.Context, records ...*Record) error {
	var failures []error
	err := s.Client.follow(ctx, finalizedHeads, func(Header) (bool, error) {
		open := false
		for _, r := range records {
			if !r.Open() {
				continue
			}
			_, err := s.Advance(ctx, r)
			switch {
			case !r.Open():
				failures = append(failures, err)
			case transient(ctx, err):
				return false, err
			case err != nil && !errors.Is(err, ErrExpired) && !errors.Is(err, ErrInFlight) && !errors.As(err, new(*Refusal)):
				return true, err
			} // a reveal that came too early, or got lost, is tried again with a later block
			open = open || r.Open()
		}
		return !open, nil
	})
	return errors.Join(append(failures, err)...)
}

// pending is the chain's commit of a hash: the epoch that it belongs to, or false when the chain holds none.
func (s *State) pending(ctx context.Context, index uint16, hotkey [32]byte, hash Hash, e Epochs) (epoch uint64, held bool, err error) {
	v, err := s.Get(ctx, subtensor, "WeightCommits", index, hotkey)
	if err != nil {
		return 0, false, err
	}
	commits := list(v)
	if len(commits) > 0 && list(commits[0]) == nil { // the oldest runtimes keep one, not a list
		commits = []any{v}
	}
	for _, c := range commits {
		parts := list(c)
		if len(parts) < 2 {
			continue
		}
		if b, _ := parts[0].([]byte); string(b) != string(hash[:]) {
			continue
		}
		n := at(parts, 1)
		if !e.Dynamic { // older runtimes keep the block, which tells the epoch
			n = e.At(n)
		}
		return n, true, nil
	}
	return 0, false, nil
}

// reveal reveals a commit of version 2 when its epoch has come.
func (s *Setter) reveal(ctx context.Context, r *Record) error {
	head, err := s.Client.Head(ctx)
	if err != nil {
		return err
	}
	e, err := head.Epochs(ctx, r.Netuid)
	if err != nil {
		return err
	}
	index := StorageIndex(r.Netuid, r.Mechanism)
	epoch, held, err := head.pending(ctx, index, s.Key.Public(), *r.Commit, e)
	if err != nil {
		return err
	}
	if !held { // revealed by an extrinsic that this journal did not see to its end, or never there
		final, err := s.Client.Finalized(ctx)
		if err != nil {
			return err
		}
		if final.Number < r.Block { // a node that lies behind has not seen the commit
			return nil
		}
		if equal, err := s.equal(ctx, final, r); errors.As(err, new(*Refusal)) {
			return s.lost(r, deregistered)
		} else if err != nil {
			return err
		} else if equal {
			r.Block = final.Number
			return s.done(r)
		}
		if _, held, err = final.pending(ctx, index, s.Key.Public(), *r.Commit, e); err != nil || held {
			return err // a fork may still bring it back
		}
		return s.lost(r, "the chain does not hold the commit any more, and its weights were not set: it expired before it was revealed")
	}
	switch now := e.At(head.Number + 1); { // a reveal that is submitted now is included in the next block at the earliest
	case now < epoch+e.Period:
		s.waiting(r, head.Number, e.First(epoch+e.Period))
		return nil
	case now > epoch+e.Period:
		return s.lost(r, fmt.Sprintf("the epoch %d in which the commit could be revealed is past", epoch+e.Period))
	}
	uids, values := columns(r.Weights)
	return s.submit(ctx, r, Revealing, "reveal_weights", uids, values, r.Salt, r.VersionKey)
}

// revealed reads the weights back when the chain should have revealed a commit of version 4. The chain says nothing when a reveal fails.
func (s *Setter) revealed(ctx context.Context, r *Record) error {
	final, err := s.Client.Finalized(ctx)
	if err != nil {
		return err
	}
	e, err := final.Epochs(ctx, r.Netuid)
	if err != nil {
		return err
	}
	due, now := r.Epoch+e.Period, e.At(final.Number)
	if now < due || final.Number < r.Block {
		s.waiting(r, final.Number, e.First(due))
		return nil
	}
	waits, err := s.waits(ctx, final, r)
	if err != nil {
		return err
	}
	equal, err := s.equal(ctx, final, r)
	switch {
	case errors.As(err, new(*Refusal)):
		return s.lost(r, deregistered)
	case err != nil:
		return err
	case !waits && equal:
		r.Block = final.Number
		return s.done(r)
	case waits && now == due: // the chain tries again in every block of the epoch, until the beacon's pulse is there
		return nil
	case waits:
		return s.lost(r, fmt.Sprintf("the chain did not get the pulse of round %d in the epoch %d, and so never revealed the commit", r.Round, due))
	}
	if s.Journal.later(r) { // whose weights the chain holds instead, for all that it tells
		r.Status, r.Block = Superseded, final.Number
		return s.save(r)
	}
	return s.lost(r, "the chain revealed the commit and did not set its weights, and does not say why: the permit, the stake, the version key or the weights were refused then")
}

// waits says whether the chain still holds a timelocked commit.
func (s *Setter) waits(ctx context.Context, state *State, r *Record) (bool, error) {
	v, err := state.Get(ctx, subtensor, "TimelockedWeightCommits", StorageIndex(r.Netuid, r.Mechanism), r.Epoch)
	if err != nil {
		return false, err
	}
	key := s.Key.Public()
	for _, c := range list(v) {
		parts := list(c)
		if len(parts) < 4 {
			continue
		}
		who, _ := parts[0].([]byte)
		sealed, _ := parts[2].([]byte)
		if string(who) == string(key[:]) && Hash(scale.Blake2_256(sealed)) == *r.Commit {
			return true, nil
		}
	}
	return false, nil
}

const deregistered = "the hotkey was deregistered before the reveal"

// ErrLostCommit says that a commit came to nothing.
var ErrLostCommit = errors.New("the commit came to nothing")

func (s *Setter) lost(r *Record, why string) error {
	return errors.Join(fmt.Errorf("%w: %s", ErrLostCommit, why), s.fail(r, why))
}

func (s *Setter) waiting(r *Record, block, until uint64) {
	if s.Wait != nil {
		s.Wait(r, block, until)
	}
}
