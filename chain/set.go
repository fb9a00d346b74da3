package chain

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
	"github.com/vision19/vision/chain/wallet"
)

// An Order is weights that are to be set.
type Order struct {
	Netuid     uint16
	Mechanism  uint8 // 0: the main one
	Weights    []Weight
	VersionKey *uint64 // nil: the subnet's
	Method     Method  // Auto or "": the subnet's
	Unchecked  bool    // leave it to the chain to refuse; else what the chain would refuse is not even submitted
}

// A Setter sets a hotkey's weights so that they are known to be set: what is to be submitted is stored first, what was submitted is looked for in the
// finalized chain, and only weights that were read back, and are equal, are Set.
type Setter struct {
	Client  *Client
	Key     Signer
	Journal *Journal
	Say     func(*Record)                        // told whenever a record changed; nil: nobody
	Wait    func(r *Record, block, until uint64) // told at each block on which a commit waits for its reveal's epoch; nil: nobody
}

// Begin submits an order: the weights themselves, or a commit to them, whose record Advance moves on. A refusal is an error, and the record is Failed; one that
// was seen ahead is not stored.
// While the extrinsic of an earlier order may still be included, Begin is ErrPending; commits that only wait for their reveal do not stand in its way.
func (s *Setter) Begin(ctx context.Context, o Order) (*Record, error) {
	if open := s.Journal.Pending(s.Client.genesis, o.Netuid); slices.ContainsFunc(open, func(r *Record) bool { return r.Mechanism == o.Mechanism && r.Status != Committed }) {
		return nil, ErrPending
	}
	state, err := s.Client.Head(ctx)
	if err != nil {
		return nil, err
	}
	w, err := state.Window(ctx, o.Netuid, o.Mechanism, s.Key.Public())
	if err != nil {
		return nil, err
	}
	r := &Record{Hotkey: wallet.Address(s.Key.Public()), Genesis: s.Client.genesis, Netuid: o.Netuid, Mechanism: o.Mechanism, Method: o.Method,
		Weights: o.Weights, VersionKey: w.VersionKey}
	if r.Method == "" || r.Method == Auto {
		r.Method = w.Method
	}
	if o.VersionKey != nil {
		r.VersionKey = *o.VersionKey
	}
	if err := w.Check(o); err != nil && !o.Unchecked {
		r.Status, r.Reason = Failed, err.Error()
		return r, err
	}
	call, args, err := s.prepare(ctx, state, w, r)
	if err != nil {
		return nil, err
	}
	return r, s.submit(ctx, r, Submitted, call, args...)
}

// ErrPending says that an earlier order's extrinsic may still be included: Advance tells what became of it.
var ErrPending = errors.New("an earlier extrinsic of this hotkey is not settled yet")

// Check is what the chain would refuse of an order, as a Refusal under the chain's own name, or what is wrong with its weights. An order without weights
// only asks whether any may be set.
func (w *Window) Check(o Order) error {
	alone := len(o.Weights) == 1 && o.Weights[0].UID == w.UID // a weight for itself needs neither a permit nor company
	var errs []error
	for _, refusal := range w.Refusals {
		if !alone || refusal.Name != noPermit {
			errs = append(errs, refusal)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	refuse := func(name string) error { return &Refusal{Pallet: subtensor, Name: name, Ahead: true} }
	switch {
	case o.Method == Direct && w.Method != Direct:
		return refuse("CommitRevealEnabled")
	case (o.Method == V2 || o.Method == V4) && w.Method == Direct:
		return refuse("CommitRevealDisabled")
	case o.VersionKey != nil && *o.VersionKey < w.VersionKey:
		return refuse("IncorrectWeightVersionKey")
	case len(o.Weights) == 0:
		return nil
	}
	shares, sum, most := make([]Share, len(o.Weights)), 0, 0
	for i, x := range o.Weights {
		shares[i] = Share{x.UID, float64(x.Value)}
		sum, most = sum+int(x.Value), max(most, int(x.Value))
	}
	limits := Limits{Neurons: w.Limits.Neurons, Min: w.Limits.Min}
	if alone {
		limits.Min = 0
	} else if w.Limits.MaxShare > 0 && most*math.MaxUint16 > int(w.Limits.MaxShare)*sum {
		return refuse("MaxWeightExceeded")
	}
	_, err := Quantise(shares, limits)
	return err
}

// prepare finishes a record, and gives the call that begins it.
func (s *Setter) prepare(ctx context.Context, state *State, w *Window, r *Record) (call string, args []any, err error) {
	uids, values := columns(r.Weights)
	switch r.Method {
	case Direct:
		return "set_weights", []any{uids, values, r.VersionKey}, nil
	case V2:
		salt := make([]byte, 16)
		if _, err := rand.Read(salt); err != nil {
			return "", nil, err
		}
		for i := range len(salt) / 2 {
			r.Salt = append(r.Salt, binary.LittleEndian.Uint16(salt[2*i:]))
		}
		h := CommitHash(s.Key.Public(), w.Index, r.Weights, r.Salt, r.VersionKey)
		r.Commit = &h
		return "commit_weights", []any{h}, nil
	case V4:
		sealed, err := s.seal(ctx, state, w, r)
		if err != nil {
			return "", nil, err
		}
		h := Hash(scale.Blake2_256(sealed))
		r.Commit = &h
		return "commit_timelocked_weights", []any{sealed, r.Round, uint16(timelockVersion)}, nil
	}
	return "", nil, fmt.Errorf("method %q, where auto, direct, v2 and v4 are right", r.Method)
}

// nearEpoch is how close to an epoch's end a commit is not begun: it might be included in the next one, and would then be open an epoch early.
const nearEpoch = 2

// seal encrypts the weights to the beacon's round after which the chain reveals them.
func (s *Setter) seal(ctx context.Context, state *State, w *Window, r *Record) ([]byte, error) {
	for w.Epochs.At(state.Number+1) != w.Epochs.At(state.Number+1+nearEpoch) && w.Epochs.Tempo > 2*nearEpoch {
		number := state.Number
		err := s.Client.follow(ctx, bestHeads, func(h Header) (bool, error) { return h.Number > number, nil })
		if err != nil {
			return nil, err
		}
		if state, err = s.Client.Head(ctx); err != nil {
			return nil, err
		}
		if w.Epochs, err = state.Epochs(ctx, r.Netuid); err != nil {
			return nil, err
		}
	}
	beacon, err := state.beacon(ctx)
	if err != nil {
		return nil, err
	}
	now, err := state.Time(ctx)
	if err != nil {
		return nil, err
	}
	r.Epoch = w.Epochs.At(state.Number + 1)
	r.Round = w.Epochs.RevealRound(beacon, state.Number+1, now, state.blockTime())
	sealed, err := beacon.Encrypt(rand.Reader, r.Round, TimelockPayload(s.Key.Public(), r.Weights, r.VersionKey))
	if errors.Is(err, tlock.ErrTooLong) {
		err = fmt.Errorf("%d weights are more than a commit holds: %w", len(r.Weights), err)
	}
	return sealed, err
}

// submit stores a record with the extrinsic that moves it on, submits that, and waits for what becomes of it.
func (s *Setter) submit(ctx context.Context, r *Record, status Status, call string, args ...any) error {
	args = append([]any{r.Netuid}, args...)
	if r.Mechanism > 0 {
		args = append([]any{r.Netuid, r.Mechanism}, args[1:]...)
		call = mechanismCalls[call]
	}
	unlock, err := s.Client.lock(ctx, s.Key.Public()) // from the nonce on
	if err != nil {
		return err
	}
	defer unlock()
	x, err := s.Client.Sign(ctx, s.Key, subtensor, call, args...)
	if err != nil {
		return err
	}
	r.Status, r.Extrinsic, r.Bytes, r.Terms = status, x.Hash, x.Bytes, &x.Terms
	if err := s.save(r); err != nil {
		return err
	}
	in, err := s.Client.send(ctx, s.Key, x)
	return s.settle(ctx, r, in, err)
}

// mechanismCalls are the calls for a subnet's other mechanisms.
var mechanismCalls = map[string]string{
	"set_weights": "set_mechanism_weights", "commit_weights": "commit_mechanism_weights", "reveal_weights": "reveal_mechanism_weights",
	"commit_timelocked_weights": "commit_timelocked_mechanism_weights",
}

// settle notes what became of a record's extrinsic. Until that is stored the record keeps its extrinsic, so that Advance can ask again.
func (s *Setter) settle(ctx context.Context, r *Record, in *Inclusion, err error) error {
	var refusal *Refusal
	commits := r.Status == Submitted && r.Method != Direct
	switch {
	case err == nil && commits:
		return s.committed(ctx, r, in)
	case err == nil:
		r.Block = in.Block
		return s.readBack(ctx, r, in.BlockHash)
	case errors.Is(err, ErrOutcome) && commits: // the chain's storage tells whether it holds the commit
		r.Block = in.Block
		return s.reopen(r)
	case errors.Is(err, ErrOutcome):
		r.Block = in.Block
		final, e := s.Client.Finalized(ctx)
		if e != nil {
			return e
		}
		return s.readBack(ctx, r, final.Hash)
	case errors.As(err, &refusal):
		if in != nil {
			r.Block = in.Block
		}
		if r.Status == Revealing && (tooEarly[refusal.Name] || refusal.Early && !gone[refusal.Name]) {
			return errors.Join(err, s.reopen(r))
		}
		return errors.Join(err, s.fail(r, refusal.Error()))
	case errors.Is(err, ErrExpired), errors.Is(err, ErrReplaced):
		if r.Status == Revealing { // the commit stands: reveal anew
			return errors.Join(err, s.reopen(r))
		}
		return errors.Join(err, s.fail(r, err.Error()))
	}
	return err // it may still be included: the record stays open
}

// tooEarly are refusals of a reveal whose time is still to come; gone are those after which there is nothing to reveal. Any other refusal on entry may
// pass while the epoch lasts: a runtime that changed, a full pool.
var (
	tooEarly = map[string]bool{"RevealTooEarly": true, "CommitBlockNotInRevealRange": true, "InvalidRevealCommitTempo": true}
	gone     = map[string]bool{"CommitNotFound": true, "NoWeightsCommitFound": true, "ExpiredWeightCommit": true, "InvalidRevealCommitHashNotMatch": true}
)

// reopen makes a record one whose commit waits for its reveal.
func (s *Setter) reopen(r *Record) error {
	r.Status, r.Bytes, r.Terms = Committed, nil, nil
	return s.save(r)
}

// committed notes to which epoch the chain says that a commit belongs.
func (s *Setter) committed(ctx context.Context, r *Record, in *Inclusion) error {
	state, err := s.Client.At(ctx, in.BlockHash)
	if err != nil {
		return err
	}
	e, err := state.Epochs(ctx, r.Netuid)
	if err != nil {
		return err
	}
	r.Block, r.Epoch = in.Block, e.At(in.Block)
	return s.reopen(r)
}

// ErrNotEqual says that the chain holds other weights than were set.
var ErrNotEqual = errors.New("the weights on the chain are not those that were set")

// readBack closes a record: Set when the chain's weights are the record's.
func (s *Setter) readBack(ctx context.Context, r *Record, block Hash) error {
	state, err := s.Client.At(ctx, block)
	if err != nil {
		return err
	}
	equal, err := s.equal(ctx, state, r)
	if err != nil {
		return err
	}
	if !equal {
		return errors.Join(ErrNotEqual, s.fail(r, ErrNotEqual.Error()))
	}
	return s.done(r)
}

// done closes a record whose weights the chain holds.
func (s *Setter) done(r *Record) error {
	r.Status, r.Bytes, r.Terms = Set, nil, nil
	return s.save(r)
}

// equal says whether the chain holds a record's weights.
func (s *Setter) equal(ctx context.Context, state *State, r *Record) (bool, error) {
	uid, err := state.UID(ctx, r.Netuid, s.Key.Public())
	if err != nil {
		return false, err
	}
	weights, err := state.Weights(ctx, r.Netuid, r.Mechanism, uid)
	return err == nil && Kept(weights, r.Weights), err
}

// UID is a hotkey's place in a subnet, or the Refusal HotKeyNotRegisteredInSubNet.
func (s *State) UID(ctx context.Context, netuid uint16, hotkey [32]byte) (uint16, error) {
	v, err := s.Get(ctx, subtensor, "Uids", netuid, hotkey)
	if err != nil {
		return 0, err
	}
	n, ok := v.(uint64)
	if !ok {
		return 0, &Refusal{Pallet: subtensor, Name: "HotKeyNotRegisteredInSubNet"}
	}
	return uint16(n), nil
}

// Weights are those that a neuron has set on a subnet's mechanism, as the chain stores them.
func (s *State) Weights(ctx context.Context, netuid uint16, mechanism uint8, uid uint16) ([]Weight, error) {
	v, err := s.Get(ctx, subtensor, "Weights", StorageIndex(netuid, mechanism), uid)
	if err != nil {
		return nil, err
	}
	var weights []Weight
	for _, pair := range list(v) {
		weights = append(weights, Weight{uint16(at(pair, 0)), uint16(at(pair, 1))})
	}
	return weights, nil
}

func (s *Setter) save(r *Record) error {
	if err := s.Journal.Save(r); err != nil {
		return err
	}
	if s.Say != nil {
		s.Say(r)
	}
	return nil
}

func (s *Setter) fail(r *Record, reason string) error {
	r.Status, r.Reason, r.Bytes, r.Terms = Failed, reason, nil, nil
	return s.save(r)
}
