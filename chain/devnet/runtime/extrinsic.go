package runtime

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/wallet"
)

// Validity is what a transaction pool needs to know of a valid transaction.
type Validity struct {
	Signer    [32]byte
	Nonce     uint32
	Priority  uint64   // the tip, rao
	Provides  [][]byte // what this transaction is, for those that require it: signer and nonce
	Requires  [][]byte // another transaction of the signer that must come before
	Longevity uint64   // blocks; the largest number where it does not end
}

// maxExtrinsic bounds a transaction: what fits a block of subtensor's normal class (BlockLength: 75% of 10 MiB).
const maxExtrinsic = 7_864_320

// signed is a transaction taken apart.
type signed struct {
	who       [32]byte
	signature []byte
	extra     []byte // as signed
	call      []byte
	era       era
	nonce     uint32
	tip       uint64
	decoded   scale.Choice
	length    int
}

type era struct{ period, phase uint64 } // period 0: immortal

// birth and death are the blocks from and until which a transaction counts, the former as seen from a block.
func (e era) birth(block uint64) uint64 {
	if e.period == 0 {
		return 0
	}
	return (max(block, e.phase)-e.phase)/e.period*e.period + e.phase
}

func (e era) death(block uint64) uint64 {
	if e.period == 0 {
		return math.MaxUint64
	}
	return e.birth(block) + e.period
}

func invalid(kind Kind, why string, args ...any) *Invalid {
	return &Invalid{Kind: kind, Why: fmt.Sprintf(why, args...)}
}

// bare says that an extrinsic is unsigned, and gives its call.
func (r *Runtime) bare(xt []byte) (call []byte, ok bool) {
	in := scale.NewReader(xt)
	if n := in.Length(1); in.Err() != nil || n != in.Left() || n == 0 || in.Byte() != 4 {
		return nil, false
	}
	return in.Bytes(in.Left()), true
}

// parse takes a signed extrinsic of version 4 apart. Whatever is not exactly that is Call: the chain could not even decode it. Only an account's
// own number as address, and sr25519 signatures, are known here.
func (r *Runtime) parse(xt []byte) (*signed, *Invalid) {
	if len(xt) > maxExtrinsic {
		return nil, invalid(InvalidExhausts, "%d bytes, at most %d fit a block", len(xt), maxExtrinsic)
	}
	in := scale.NewReader(xt)
	if n := in.Length(1); in.Err() != nil || n != in.Left() {
		return nil, invalid(InvalidCall, "the length in front is not that of the rest")
	}
	if v := in.Byte(); v != 0x84 {
		return nil, invalid(InvalidCall, "version byte %#x, where 0x84 is a signed transaction of version 4", v)
	}
	x := &signed{length: len(xt)}
	if kind := in.Byte(); kind != 0 {
		return nil, invalid(InvalidCall, "address of kind %d, where 0 is an account", kind)
	}
	copy(x.who[:], in.Bytes(32))
	if kind := in.Byte(); kind != 1 {
		return nil, invalid(InvalidBadProof, "signature of kind %d, where 1 is sr25519", kind)
	}
	x.signature = in.Bytes(64)
	before := in.Left()
	if bad := x.readExtra(in); bad != nil {
		return nil, bad
	}
	if in.Err() != nil {
		return nil, invalid(InvalidCall, "%v", in.Err())
	}
	x.call = in.Bytes(in.Left())
	start := len(xt) - before
	x.extra = xt[start : len(xt)-len(x.call)]
	call, bad := r.decodeCall(x.call)
	x.decoded = call
	if bad != nil {
		return nil, bad
	}
	return x, nil
}

// readExtra reads the extensions that have something to say: CheckMortality, CheckNonce, ChargeTransactionPayment and CheckMetadataHash, in this order.
func (x *signed) readExtra(in *scale.Reader) *Invalid {
	if first := in.Byte(); first != 0 {
		n := uint64(first) | uint64(in.Byte())<<8
		x.era.period = 2 << (n % 16)
		x.era.phase = (n >> 4) * max(x.era.period>>12, 1)
		if n%16 == 0 || x.era.phase >= x.era.period {
			return invalid(InvalidCall, "era %#x has a phase that is not in its period", n)
		}
	}
	nonce := in.Compact()
	if nonce > math.MaxUint32 {
		return invalid(InvalidCall, "nonce %d has more than 32 bits", nonce)
	}
	x.nonce, x.tip = uint32(nonce), in.Compact()
	if mode := in.Byte(); in.Err() == nil && mode != 0 {
		if mode > 1 {
			return invalid(InvalidCall, "metadata hash mode %d, where 0 is off and 1 on", mode)
		}
		return invalid(InvalidUnknown, "the metadata's hash is signed, which this runtime does not know")
	}
	return nil
}

func (r *Runtime) decodeCall(b []byte) (scale.Choice, *Invalid) {
	v, err := r.meta.DecodeAll(r.call, b)
	if err != nil {
		return scale.Choice{}, invalid(InvalidCall, "call: %v", err)
	}
	call, _ := v.(scale.Choice)
	if depth(call) > longestRecursion {
		return call, invalid(InvalidCall, "calls nest deeper than %d", longestRecursion)
	}
	if bad := bounded(call); bad != nil {
		return call, bad
	}
	return call, nil
}

// inner are the calls that a call carries.
func inner(call scale.Choice) []scale.Choice {
	args := arguments(call)
	var calls []scale.Choice
	if c, ok := args.Get("call").(scale.Choice); ok {
		calls = append(calls, c)
	}
	if all, ok := args.Get("calls").([]any); ok {
		for _, c := range all {
			c, _ := c.(scale.Choice)
			calls = append(calls, c)
		}
	}
	return calls
}

func depth(call scale.Choice) int {
	deepest := 0
	for _, c := range inner(call) {
		deepest = max(deepest, depth(c))
	}
	return deepest + 1
}

// bounded holds the bound that the metadata does not tell: a commit's bytes, too many of which fail to decode.
func bounded(call scale.Choice) *Invalid {
	if commit, ok := arguments(call).Get("commit").([]byte); ok && len(commit) > maxCommit {
		return invalid(InvalidCall, "a commit of %d bytes, at most %d are allowed", len(commit), maxCommit)
	}
	for _, c := range inner(call) {
		if bad := bounded(c); bad != nil {
			return bad
		}
	}
	return nil
}

// name is a call's pallet and function, arguments its fields.
func name(call scale.Choice) string {
	f, _ := call.Value.(scale.Choice)
	return call.Name + "." + f.Name
}

func arguments(call scale.Choice) scale.Struct {
	f, _ := call.Value.(scale.Choice)
	args, _ := f.Value.(scale.Struct)
	return args
}

// payload is what is signed: the call, the extras, and what the extensions add. A payload of more than 256 bytes is signed by its hash.
func (s state) payload(x *signed) ([]byte, *Invalid) {
	genesis := s.bytes("System.BlockHash", 0)
	birth := genesis
	if x.era.period > 0 {
		if birth = s.bytes("System.BlockHash", x.era.birth(s.block())); !s.has("System.BlockHash", x.era.birth(s.block())) {
			return nil, invalid(InvalidAncient, "block %d, from which the transaction counts, is not known", x.era.birth(s.block()))
		}
	}
	p := bytes.Join([][]byte{x.call, x.extra}, nil)
	p = binary.LittleEndian.AppendUint32(p, s.version.SpecVersion)
	p = binary.LittleEndian.AppendUint32(p, s.version.TransactionVersion)
	p = append(append(append(p, genesis...), birth...), 0)
	if len(p) > 256 {
		p = scale.Blake2_256(p)
	}
	return p, nil
}

// check is what Validate and Apply have in common, in the order of the extensions.
func (s state) check(x *signed) (Validity, *Invalid) {
	payload, bad := s.payload(x)
	if bad != nil {
		return Validity{}, bad
	}
	if !wallet.Verify(x.who, payload, x.signature) {
		return Validity{}, invalid(InvalidBadProof, "the signature does not fit the call, this chain, its version or the era")
	}
	if x.who == [32]byte{} {
		return Validity{}, invalid(InvalidBadSigner, "nobody signed")
	}
	info := s.account(x.who[:])
	paying := pays(x.decoded)
	nonce := info.nonce
	switch {
	case paying && info.providers == 0:
		return Validity{}, invalid(InvalidPayment, "the account does not exist")
	case x.nonce < nonce:
		return Validity{}, invalid(InvalidStale, "nonce %d, the next is %d", x.nonce, nonce)
	}
	if fee := fee(x.length, x.tip, paying); fee > info.spendable() {
		return Validity{}, invalid(InvalidPayment, "a fee of %d rao, %d are there", fee, info.spendable())
	}
	if x.decoded.Name == "Sudo" && !bytes.Equal(s.bytes("Sudo.Key"), x.who[:]) {
		return Validity{}, invalid(InvalidBadSigner, "not the sudo key")
	}
	if err := s.guard(x.who[:], x.decoded); err != nil {
		return Validity{}, refusal(err)
	}
	v := Validity{Signer: x.who, Nonce: x.nonce, Priority: x.tip, Longevity: math.MaxUint64, Provides: [][]byte{tag(x.who, x.nonce)}}
	if x.era.period > 0 {
		v.Longevity = x.era.death(s.block()) - s.block()
	}
	if x.nonce > nonce {
		v.Requires = [][]byte{tag(x.who, x.nonce-1)}
	}
	return v, nil
}

func tag(who [32]byte, nonce uint32) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(who[:]), nonce)
}

// fee is 10,000 rao and 100 a byte where the call pays, and the tip. The chain's own depends on weights, which are not measured here.
func fee(length int, tip uint64, paying bool) uint64 {
	if !paying {
		return 0 // a call that pays nothing pays no tip either
	}
	sum, carry := bits.Add64(10_000+100*uint64(length), tip, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}

// free are the calls that pay no fee (Pays::No), so that a hotkey needs no account.
var free = map[string]bool{"set_weights": true, "set_mechanism_weights": true, "batch_set_weights": true, "commit_weights": true,
	"commit_mechanism_weights": true, "batch_commit_weights": true, "reveal_weights": true, "reveal_mechanism_weights": true, "batch_reveal_weights": true,
	"commit_timelocked_weights": true, "commit_timelocked_mechanism_weights": true, "commit_crv3_mechanism_weights": true, "serve_axon": true}

func pays(call scale.Choice) bool {
	f, _ := call.Value.(scale.Choice)
	return call.Name != "SubtensorModule" || !free[f.Name]
}

// Next is the state in which the pool asks: that of a head, as if the next block had begun. What is written to it does not reach s.
func (r *Runtime) Next(s Store, head [32]byte) Store {
	next := state{r, over(s)}
	n := next.block()
	next.put(head[:], "System.BlockHash", n)
	next.put(n+1, "System.Number")
	return next.Store
}

// Validate says whether a transaction may wait for a block. s is the state of a block that has begun, or what Next makes of a head. The error is an *Invalid.
func (r *Runtime) Validate(s Store, xt []byte) (Validity, error) {
	if _, ok := r.bare(xt); ok {
		return Validity{}, invalid(InvalidUnknown, "unsigned")
	}
	x, bad := r.parse(xt)
	if bad != nil {
		return Validity{}, bad
	}
	v, bad := state{r, over(s)}.check(x)
	if bad != nil {
		return Validity{}, bad
	}
	return v, nil
}

// Apply runs a transaction in the block that has begun. An *Invalid leaves s as it was, and the transaction is not in the block; a call that fails is
// in it, costs its fee, and says so by System.ExtrinsicFailed.
func (r *Runtime) Apply(s Store, xt []byte) error {
	l := over(s)
	st := state{r, l}
	if call, ok := r.bare(xt); ok {
		if bad := st.inherent(call); bad != nil {
			return bad
		}
		l.commit()
		return nil
	}
	x, bad := r.parse(xt)
	if bad != nil {
		return bad
	}
	v, bad := st.check(x)
	switch {
	case bad != nil:
		return bad
	case len(v.Requires) > 0:
		return invalid(InvalidFuture, "nonce %d comes before its turn", x.nonce)
	}
	info := st.account(x.who[:])
	cost := fee(x.length, x.tip, pays(x.decoded))
	info.nonce++
	info.free -= cost
	st.setAccount(x.who[:], info)
	if cost > 0 {
		st.put(st.number("Balances.TotalIssuance")-min(cost, st.number("Balances.TotalIssuance")), "Balances.TotalIssuance")
		st.deposit("Balances", "Withdraw", fields("who", x.who, "amount", cost))
	}
	err := st.nested(func(st state) error { return st.dispatch(origin{who: x.who[:]}, x.decoded) })
	if cost > 0 {
		st.deposit("TransactionPayment", "TransactionFeePaid", fields("who", x.who, "actual_fee", cost, "tip", x.tip))
	}
	st.finished(err, pays(x.decoded), "Normal")
	l.commit()
	return nil
}

// finished deposits how an extrinsic went and goes on to the next.
func (s state) finished(err error, paying bool, class string) {
	paid := "No"
	if paying {
		paid = "Yes"
	}
	info := scale.Struct{{Name: "weight", Value: fields("ref_time", 0, "proof_size", 0)}, {Name: "class", Value: class}, {Name: "pays_fee", Value: paid}}
	if err != nil {
		s.deposit("System", "ExtrinsicFailed", fields("dispatch_error", s.dispatchError(err), "dispatch_info", info))
	} else {
		s.deposit("System", "ExtrinsicSuccess", fields("dispatch_info", info))
	}
	phase, _ := s.get("System.ExecutionPhase").(scale.Choice)
	n, _ := phase.Value.(uint64)
	s.put(scale.Choice{Name: "ApplyExtrinsic", Value: n + 1}, "System.ExecutionPhase")
}

// fields makes a struct of names and values in turn.
func fields(pairs ...any) scale.Struct {
	var s scale.Struct
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		s = append(s, scale.Member{Name: name, Value: pairs[i+1]})
	}
	return s
}
