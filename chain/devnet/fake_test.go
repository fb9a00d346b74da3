package devnet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vision19/vision/chain/tlock"
)

// fake is a runtime whose extrinsics are: signer, nonce, priority, and then text that the state keeps under the signer. The signer 0xff is
// one that cannot pay, 0xfe has a bad signature, 0xfd custom error 6; those with signer 0 are inherents.
type fake struct{ spec uint32 }

func fakeRules(spec uint32, _ bool, _ tlock.Beacon) chainRuntime { return &fake{max(spec, 1)} }

func xt(signer, nonce, priority byte, text string) []byte {
	return append([]byte{signer, nonce, priority}, text...)
}

func (f *fake) Version() version {
	return version{Spec: "fake", Impl: "fake", SpecVersion: f.spec, APIs: []api{{[8]byte{1}, 2}}}
}
func (f *fake) Metadata(v byte) ([]byte, bool) { return []byte{'m', v, byte(f.spec)}, v == 14 }
func (f *fake) Genesis(s store, g genesis) error {
	for i, n := range g.Neurons {
		s.Put(fmt.Appendf(nil, "neuron%04d", i), n.Hotkey[:])
	}
	return nil
}
func (f *fake) Begin(s store, b beginning) {
	s.Put([]byte("number"), binary.LittleEndian.AppendUint32(nil, b.Number))
	for _, p := range b.Pulses {
		s.Put([]byte("round"), binary.LittleEndian.AppendUint64(nil, p.Round))
	}
}
func (f *fake) Inherents(b beginning) [][]byte { return [][]byte{xt(0, 0, 0, b.Time.String())} }

func (f *fake) Validate(s store, _ hash, x []byte) (validity, error) {
	if len(x) < 3 {
		return validity{}, errors.New("too short")
	}
	switch x[0] {
	case 0xff:
		return validity{}, &invalid{kind: payment}
	case 0xfe:
		return validity{}, &invalid{kind: badProof}
	case 0xfd:
		return validity{}, &invalid{kind: custom, code: 6}
	}
	if x[1] < f.nonce(s, x[0]) {
		return validity{}, &invalid{kind: stale}
	}
	return validity{Signer: [32]byte{x[0]}, Nonce: uint32(x[1]), Priority: uint64(x[2]), Longevity: 64}, nil
}

func (f *fake) nonce(s store, signer byte) byte {
	if v := s.Get([]byte{'n', signer}); v != nil {
		return v[0]
	}
	return 0
}

func (f *fake) Apply(s store, x []byte) error {
	if x[0] != 0 {
		if x[1] > f.nonce(s, x[0]) {
			return &invalid{kind: future}
		}
		if _, err := f.Validate(s, hash{}, x); err != nil {
			return err
		}
		s.Put([]byte{'n', x[0]}, []byte{x[1] + 1})
	}
	s.Put([]byte{'t', x[0]}, x[3:])
	return nil
}
func (f *fake) End(store) {}
func (f *fake) Call(s store, function string, args []byte) ([]byte, error) {
	switch function {
	case "AccountNonceApi_account_nonce":
		return []byte{f.nonce(s, args[0]), 0, 0, 0}, nil
	case "TransactionPaymentApi_query_info":
		return []byte{4, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0}, nil
	}
	return nil, fmt.Errorf("no function %s", function)
}
