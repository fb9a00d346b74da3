package chain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vision19/vision/chain/scale"
)

// A Runtime is the code that a chain runs at some block, as its metadata tells it, and what signatures bind to.
type Runtime struct {
	*scale.Metadata
	Spec, Tx uint32 // the versions of the runtime, and of how its transactions are encoded
	Genesis  Hash
}

// StorageKey is the key of a storage value. With fewer keys than a map has parts, it is what all keys under them begin with.
func (rt *Runtime) StorageKey(pallet, entry string, keys ...any) ([]byte, error) {
	s, e, err := rt.Entry(pallet, entry)
	if err != nil {
		return nil, err
	}
	if len(keys) > len(e.Hashers) {
		return nil, fmt.Errorf("storage %s.%s: %d keys, where at most %d are right", pallet, entry, len(keys), len(e.Hashers))
	}
	key := append(scale.Twox([]byte(s.Prefix), 128), scale.Twox([]byte(e.Name), 128)...)
	for i, k := range keys {
		typ, err := rt.part(e, i)
		if err != nil {
			return nil, fmt.Errorf("storage %s.%s: %w", pallet, entry, err)
		}
		b, err := rt.Encode(nil, typ, k)
		if err != nil {
			return nil, fmt.Errorf("storage %s.%s: key %d: %w", pallet, entry, i, err)
		}
		key = append(key, e.Hashers[i].Key(b)...)
	}
	return key, nil
}

// part is the type of a part of a map's key: the key's own where one hasher takes it whole.
func (rt *Runtime) part(e *scale.Entry, i int) (int, error) {
	if len(e.Hashers) == 1 {
		return e.Key, nil
	}
	if d := &rt.Types[e.Key].Def; d.Kind == scale.Tuple && len(d.Items) == len(e.Hashers) {
		return d.Items[i], nil
	}
	return 0, fmt.Errorf("%d hashers for a key that is no tuple of as many", len(e.Hashers))
}

// keys reads the parts of a key from the part numbered first on.
func (rt *Runtime) keys(e *scale.Entry, first int, b []byte) ([]any, error) {
	r := scale.NewReader(b)
	var parts []any
	for i := first; i < len(e.Hashers); i++ {
		typ, err := rt.part(e, i)
		if err != nil {
			return nil, err
		}
		n, readable := e.Hashers[i].Prefix()
		r.Bytes(n)
		if readable {
			parts = append(parts, rt.Decode(typ, r))
		} else {
			parts = append(parts, nil)
		}
	}
	return parts, r.Done()
}

// EncodeCall encodes a call with its arguments, in their order.
func (rt *Runtime) EncodeCall(pallet, name string, args ...any) ([]byte, error) {
	p, call, err := rt.Call(pallet, name)
	if err != nil {
		return nil, err
	}
	if len(args) != len(call.Fields) {
		return nil, fmt.Errorf("call %s.%s: %d arguments, where %d are right", pallet, name, len(args), len(call.Fields))
	}
	b := []byte{p.Index, call.Index}
	for i, a := range args {
		if b, err = rt.Encode(b, call.Fields[i].Type, a); err != nil {
			return nil, fmt.Errorf("call %s.%s: %s: %w", pallet, name, call.Fields[i].Name, err)
		}
	}
	return b, nil
}

// A Signer signs with sr25519 in the context "substrate". It is a wallet's hotkey.
type Signer interface {
	Public() [32]byte
	Sign(message []byte) [64]byte
}

// A Mortality is for how long an extrinsic may be included: from the block numbered Birth, with that Hash, for Period blocks. A Period of 0 is for ever, and
// Hash then is the chain's first block's.
type Mortality struct {
	Birth  uint64
	Hash   Hash
	Period uint64 // a power of two from 4 to 65536
}

// Terms are what a signature binds besides the call. Tip is in rao, for a place further ahead.
type Terms struct {
	Nonce, Tip uint64
	Mortality
}

// Last is the last block that may include the extrinsic.
func (m Mortality) Last() uint64 { return m.Birth + m.Period - 1 }

// era encodes a mortality as sp-runtime's generic/era.rs does.
func (m Mortality) era() ([]byte, error) {
	if m.Period == 0 {
		return []byte{0}, nil
	}
	if m.Period < 4 || m.Period > 1<<16 || m.Period&(m.Period-1) != 0 {
		return nil, fmt.Errorf("a mortality of %d blocks, where a power of two from 4 to 65536 is right", m.Period)
	}
	log := 0
	for 1<<log < m.Period {
		log++
	}
	quantum := max(m.Period>>12, 1) // long periods begin on every 2nd, 4th ... block
	v := uint16(min(15, max(1, log-1))) | uint16(m.Birth%m.Period/quantum)<<4
	return []byte{byte(v), byte(v >> 8)}, nil
}

// ErrExtension says that the runtime wants something signed that this client does not know.
var ErrExtension = errors.New("the runtime wants a signed extension that this client does not know")

// extensions encodes what the metadata lists: what goes into the extrinsic, and what is signed besides.
func (rt *Runtime) extensions(t Terms) (extra, additional []byte, err error) {
	era, err := t.era()
	if err != nil {
		return nil, nil, err
	}
	birth := t.Hash
	if t.Period == 0 {
		birth = rt.Genesis
	}
	for _, e := range rt.Extrinsic.Extensions {
		var in, beside any
		switch e.Name {
		case "CheckMortality", "CheckEra":
			extra, additional = append(extra, era...), append(additional, birth[:]...)
			continue
		case "CheckMetadataHash":
			extra, additional = append(extra, 0), append(additional, 0) // disabled, and therefore no hash
			continue
		case "CheckNonce":
			in = t.Nonce
		case "ChargeTransactionPayment":
			in = t.Tip
		case "CheckSpecVersion":
			beside = rt.Spec
		case "CheckTxVersion":
			beside = rt.Tx
		case "CheckGenesis":
			beside = rt.Genesis
		default:
			if !rt.Empty(e.Extra) || !rt.Empty(e.Additional) {
				return nil, nil, fmt.Errorf("%s: %w", e.Name, ErrExtension)
			}
		}
		if extra, err = rt.Encode(extra, e.Extra, in); err == nil {
			additional, err = rt.Encode(additional, e.Additional, beside)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("signed extension %s: %w", e.Name, err)
		}
	}
	return extra, additional, nil
}

// Payload is what is signed for a call: the bytes themselves, or their hash where they are more than 256.
func (rt *Runtime) Payload(call []byte, t Terms) ([]byte, error) {
	extra, additional, err := rt.extensions(t)
	if err != nil {
		return nil, err
	}
	p := slices.Concat(call, extra, additional)
	if len(p) > 256 {
		p = scale.Blake2_256(p)
	}
	return p, nil
}

// Sign makes a call into a signed extrinsic of version 4, with its length in front.
func (rt *Runtime) Sign(call []byte, key Signer, t Terms) ([]byte, error) {
	payload, err := rt.Payload(call, t)
	if err != nil {
		return nil, err
	}
	return rt.assemble(call, key.Public(), key.Sign(payload), t)
}

const signedV4 = 0x80 | 4

func (rt *Runtime) assemble(call []byte, public [32]byte, signature [64]byte, t Terms) ([]byte, error) {
	extra, _, err := rt.extensions(t)
	if err != nil {
		return nil, err
	}
	x := []byte{signedV4}
	if x, err = rt.encodeAs(x, rt.Extrinsic.Address, "Id", public); err != nil {
		return nil, fmt.Errorf("the extrinsic's address: %w", err)
	}
	if x, err = rt.encodeAs(x, rt.Extrinsic.Signature, "Sr25519", signature); err != nil {
		return nil, fmt.Errorf("the extrinsic's signature: %w", err)
	}
	return scale.AppendBlob(nil, slices.Concat(x, extra, call)), nil
}

// encodeAs encodes v as the variant of that name where the type is an enum, as MultiAddress and MultiSignature are, else as it is.
func (rt *Runtime) encodeAs(dst []byte, typ int, name string, v any) ([]byte, error) {
	if typ >= 0 && typ < len(rt.Types) && rt.Types[typ].Def.Kind == scale.Variants {
		v = scale.Choice{Name: name, Value: v}
	}
	return rt.Encode(dst, typ, v)
}
