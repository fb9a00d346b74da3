package chain_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/scale"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../shared/data/chain", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no folder shared/data/chain beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixed signs everything with the same bytes, as the recorded vectors were made.
type fixed struct{ public [32]byte }

func (f fixed) Public() [32]byte       { return f.public }
func (fixed) Sign([]byte) (s [64]byte) { return [64]byte(bytes.Repeat([]byte{0xab}, 64)) }

func alice(t testing.TB) [32]byte {
	t.Helper()
	b, err := hex.DecodeString("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(b)
}

func repeated(b byte) (h chain.Hash) { return chain.Hash(bytes.Repeat([]byte{b}, 32)) }

// The vectors were made with @polkadot/api 16.5.6 from finney's metadata of spec version 343.
func TestSign_gives_the_bytes_that_polkadot_js_gives(t *testing.T) {
	calls := map[string][]any{
		"set_weights":                         {1, []int{1, 2, 300}, []int{100, 200, 65535}, 7},
		"commit_timelocked_weights":           {1, []byte{1, 2, 3}, 12345, 4},
		"commit_timelocked_mechanism_weights": {1, 1, []byte{1, 2, 3}, 12345, 4},
		"serve_axon":                          {1, 9, big.NewInt(0x7f000001), 8091, 4, 4, 0, 0},
	}
	seen := 0
	for _, file := range []string{"sdk-finney-v14.scale", "sdk-finney-v15.scale"} {
		m, err := scale.ParseMetadata(recorded(t, file))
		if err != nil {
			t.Fatal(err)
		}
		rt := &chain.Runtime{Metadata: m, Spec: 343, Tx: 1, Genesis: repeated(0x2f)}
		lines := bufio.NewScanner(bytes.NewReader(recorded(t, "extrinsic-vectors-v343.txt")))
		for lines.Scan() {
			name, rest, _ := strings.Cut(lines.Text(), " ")
			mortal, rest, _ := strings.Cut(rest, " ")
			payload, extrinsic, ok := strings.Cut(rest, " ")
			args := calls[name]
			if !ok || args == nil || len(payload) == 64 { // a long one is only a hash, of arguments that are not recorded
				continue
			}
			seen++
			terms := chain.Terms{Nonce: 70000, Tip: 5}
			if mortal == "true" {
				terms.Mortality = chain.Mortality{Birth: 6553223, Hash: repeated(0x77), Period: 64}
			}
			call, err := rt.EncodeCall("SubtensorModule", name, args...)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := rt.Payload(call, terms)
			if err != nil || hex.EncodeToString(signed) != payload {
				t.Errorf("%s %s is signed as\n%x, %v, want\n%s", name, mortal, signed, err, payload)
			}
			x, err := rt.Sign(call, fixed{alice(t)}, terms)
			if err != nil || hex.EncodeToString(x) != extrinsic {
				t.Errorf("%s %s is\n%x, %v, want\n%s", name, mortal, x, err, extrinsic)
			}
		}
	}
	if seen != 16 {
		t.Errorf("%d vectors were compared, want 16", seen)
	}
}

// minimal is a runtime with one call, one map and the extensions that are given.
func minimal(extensions ...scale.Extension) *chain.Runtime {
	prim := func(p scale.Prim) scale.Type { return scale.Type{Def: scale.Def{Kind: scale.Primitive, Prim: p}} }
	const u8, u16, u32, h256, unit, call, account, signature, pair, nonce, none = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	m := &scale.Metadata{Types: []scale.Type{
		u8: prim(scale.U8), u16: prim(scale.U16), u32: prim(scale.U32),
		h256:      {Def: scale.Def{Kind: scale.Array, Elem: u8, Len: 32}},
		unit:      {Def: scale.Def{Kind: scale.Tuple}},
		call:      {Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{{Name: "set", Index: 3, Fields: []scale.Field{{Name: "netuid", Type: u16}}}}}},
		account:   {Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{{Name: "Id", Fields: []scale.Field{{Type: h256}}}}}},
		signature: {Def: scale.Def{Kind: scale.Array, Elem: u8, Len: 64}},
		pair:      {Def: scale.Def{Kind: scale.Tuple, Items: []int{u16, h256}}},
		nonce:     {Def: scale.Def{Kind: scale.Compact, Elem: u32}},
		none:      {Path: []string{"Xt"}, Params: []scale.Param{{Name: "Address", Type: account}, {Name: "Call", Type: call}, {Name: "Signature", Type: signature}}, Def: scale.Def{Kind: scale.Composite}},
	}, Runtime: unit}
	m.Extrinsic = scale.Extrinsic{Type: none, Version: 4, Extensions: extensions}
	m.Pallets = []scale.Pallet{{Name: "SubtensorModule", Index: 7, Calls: call, Events: -1, Errors: -1, Storage: &scale.Storage{Prefix: "SubtensorModule", Entries: []scale.Entry{
		{Name: "Uids", Optional: true, Hashers: []scale.Hasher{scale.HashIdentity, scale.HashBlake2_128Concat}, Key: pair, Value: u16, Default: []byte{0}},
	}}}}
	parsed, err := scale.ParseMetadata(m.Append(nil, 14))
	if err != nil {
		panic(err)
	}
	return &chain.Runtime{Metadata: parsed, Spec: 0x01020304, Tx: 1, Genesis: repeated(0x2f)}
}

func TestSign_takes_its_form_from_the_metadata(t *testing.T) {
	const u32, h256, unit, nonce = 2, 3, 4, 9
	rt := minimal(scale.Extension{Name: "CheckNonZeroSender", Extra: unit, Additional: unit}, scale.Extension{Name: "CheckSpecVersion", Extra: unit, Additional: u32},
		scale.Extension{Name: "CheckGenesis", Extra: unit, Additional: h256}, scale.Extension{Name: "CheckMortality", Extra: unit, Additional: h256},
		scale.Extension{Name: "CheckNonce", Extra: nonce, Additional: unit}, scale.Extension{Name: "SomethingNewAndEmpty", Extra: unit, Additional: unit})
	call, err := rt.EncodeCall("SubtensorModule", "set", 258)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what            string
		terms           chain.Terms
		payload, signed string
	}{
		{"immortal", chain.Terms{Nonce: 1}, "07030201" + "00" + "04" + "04030201" + strings.Repeat("2f", 64), "84" + "00" + strings.Repeat("07", 32) + strings.Repeat("ab", 64) + "00" + "04" + "07030201"},
		{"mortal", chain.Terms{Nonce: 64, Mortality: chain.Mortality{Birth: 42, Hash: repeated(0x77), Period: 64}},
			"07030201" + "a502" + "0101" + "04030201" + strings.Repeat("2f", 32) + strings.Repeat("77", 32), "84" + "00" + strings.Repeat("07", 32) + strings.Repeat("ab", 64) + "a502" + "0101" + "07030201"},
	} {
		p, err := rt.Payload(call, c.terms)
		if got := hex.EncodeToString(p); err != nil || got != c.payload {
			t.Errorf("%s: signed is %s, %v, want %s", c.what, got, err, c.payload)
		}
		x, err := rt.Sign(call, fixed{repeated(7)}, c.terms)
		want, _ := hex.DecodeString(c.signed)
		if err != nil || !bytes.Equal(x, scale.AppendBlob(nil, want)) {
			t.Errorf("%s: %x, %v, want %s", c.what, x, err, c.signed)
		}
	}
}

// The eras are those of sp-runtime's own tests.
func TestMortality_is_encoded_as_substrate_does(t *testing.T) {
	rt := minimal(scale.Extension{Name: "CheckEra", Extra: 4, Additional: 4})
	for _, c := range []struct {
		birth, period uint64
		want          string
	}{{42, 64, "a502"}, {20000, 32768, "4e9c"}, {1, 4, "1100"}, {513, 256, "1700"}, {10, 0, "00"}} {
		p, err := rt.Payload(nil, chain.Terms{Mortality: chain.Mortality{Birth: c.birth, Period: c.period}})
		if err != nil || len(p) < 32 || hex.EncodeToString(p[:len(p)-32]) != c.want { // the block's hash comes after
			t.Errorf("%d for %d blocks is %x, %v, want %s", c.birth, c.period, p, err, c.want)
		}
	}
	for _, period := range []uint64{2, 3, 100, 1 << 17} {
		if _, err := rt.Payload(nil, chain.Terms{Mortality: chain.Mortality{Period: period}}); err == nil {
			t.Errorf("a mortality of %d blocks was taken", period)
		}
	}
}

func TestSign_fails_closed_on_an_extension_that_it_does_not_know(t *testing.T) {
	for _, e := range []scale.Extension{{Name: "CheckSomething", Extra: 0, Additional: 4}, {Name: "CheckSomething", Extra: 4, Additional: 3}} {
		_, err := minimal(e).Sign([]byte{7, 3, 0, 0}, fixed{}, chain.Terms{})
		if !errors.Is(err, chain.ErrExtension) || !strings.Contains(err.Error(), "CheckSomething") {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestEncodeCall_names_what_is_wrong(t *testing.T) {
	rt := minimal()
	for _, c := range []struct {
		pallet, call string
		args         []any
		want         string
	}{
		{"Nobody", "set", []any{1}, "Nobody"}, {"SubtensorModule", "unset", []any{1}, "unset"}, {"SubtensorModule", "set", nil, "0 arguments"},
		{"SubtensorModule", "set", []any{70000}, "netuid"},
	} {
		if _, err := rt.EncodeCall(c.pallet, c.call, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s.%s%v: %v, want %q in it", c.pallet, c.call, c.args, err, c.want)
		}
	}
}

func TestStorageKey_is_made_of_the_hashes_that_the_metadata_names(t *testing.T) {
	rt := minimal()
	key, err := rt.StorageKey("SubtensorModule", "Uids", 19, alice(t))
	if err != nil {
		t.Fatal(err)
	}
	pallet, entry, a := scale.Twox([]byte("SubtensorModule"), 128), scale.Twox([]byte("Uids"), 128), alice(t)
	want := bytes.Join([][]byte{pallet, entry, {19, 0}, scale.Blake2_128(a[:]), a[:]}, nil)
	if !bytes.Equal(key, want) {
		t.Errorf("the key is %x, want %x", key, want)
	}
	if prefix, err := rt.StorageKey("SubtensorModule", "Uids", 19); err != nil || !bytes.Equal(prefix, want[:34]) {
		t.Errorf("the prefix is %x, %v, want %x", prefix, err, want[:34])
	}
	if _, err := rt.StorageKey("SubtensorModule", "Uids", 1, a, 3); err == nil {
		t.Error("a third key was taken")
	}
	if _, err := rt.StorageKey("SubtensorModule", "Gone"); !errors.Is(err, chain.ErrUnknown) {
		t.Errorf("storage that there is not: %v", err)
	}
}
