package scale_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vision19/vision/chain/scale"
)

// recorded reads what was recorded of the real network, which is never a part of this repository.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/data/chain", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no folder shared/data/chain beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The numbers are of the SCALE specification and of parity-scale-codec's tests.
func TestCompact_is_that_of_the_specification(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		want string
	}{
		{0, "00"}, {1, "04"}, {42, "a8"}, {63, "fc"}, {64, "0101"}, {69, "1501"}, {16383, "fdff"}, {16384, "02000100"}, {65535, "feff0300"},
		{1<<30 - 1, "feffffff"}, {1 << 30, "0300000040"}, {1<<32 - 1, "03ffffffff"}, {100000000000000, "0b00407a10f35a"},
		{1 << 48, "0f00000000000001"}, {1<<64 - 1, "13ffffffffffffffff"},
	} {
		b := scale.AppendCompact(nil, c.n)
		if got := hex.EncodeToString(b); got != c.want {
			t.Errorf("%d is %s, want %s", c.n, got, c.want)
		}
		r := scale.NewReader(b)
		if got := r.Compact(); got != c.n || r.Done() != nil {
			t.Errorf("%s reads as %d, %v", c.want, got, r.Err())
		}
		if r = scale.NewReader(b); r.CompactBig().Cmp(new(big.Int).SetUint64(c.n)) != 0 || r.Done() != nil {
			t.Errorf("%s reads otherwise as a big one: %v", c.want, r.Err())
		}
	}
}

func TestReader_refuses_what_is_no_value(t *testing.T) {
	for _, c := range []struct {
		what, bytes string
		read        func(*scale.Reader)
	}{
		{"a compact number that a shorter form could hold", "0100", func(r *scale.Reader) { r.Compact() }},
		{"another", "02000000", func(r *scale.Reader) { r.Compact() }},
		{"another", "0300000000", func(r *scale.Reader) { r.Compact() }},
		{"another", "0700000040" + "00", func(r *scale.Reader) { r.Compact() }},
		{"a big one", "1700000000000000000" + "0", func(r *scale.Reader) { r.CompactBig() }},
		{"a compact number above 64 bits", "17ffffffffffffffff01", func(r *scale.Reader) { r.Compact() }},
		{"a bool of 2", "02", func(r *scale.Reader) { r.Bool() }},
		{"a length beyond the bytes", "feffffff" + "00", func(r *scale.Reader) { r.Blob() }},
		{"a string that is not UTF-8", "04ff", func(r *scale.Reader) { _ = r.String() }},
		{"nothing at all", "", func(r *scale.Reader) { r.U64() }},
		{"bytes left over", "0000", func(r *scale.Reader) { r.Byte() }},
		{"too many elements of no bytes", "feffffff", func(r *scale.Reader) { r.Length(0) }},
	} {
		r := scale.NewReader(unhex(t, c.bytes))
		c.read(r)
		if r.Done() == nil {
			t.Errorf("%s (%s) was read", c.what, c.bytes)
		}
	}
}

func TestReader_gives_zeros_after_its_first_error(t *testing.T) {
	r := scale.NewReader([]byte{1, 2})
	r.U64()
	first := r.Err()
	if got := []any{r.Byte(), r.Bool(), r.U16(), r.U32(), r.U64(), r.Compact(), r.U128().Sign(), len(r.Bytes(64)), r.String()}; !reflect.DeepEqual(got,
		[]any{byte(0), false, uint16(0), uint32(0), uint64(0), uint64(0), 0, 0, ""}) {
		t.Errorf("after an error came %v", got)
	}
	if !errors.Is(r.Done(), scale.ErrShort) || r.Err() != first {
		t.Errorf("the first error was %v, then %v", first, r.Err())
	}
}

// The hashes of "System" and "Account" are those that every Substrate chain's storage keys begin with.
func TestHashers_are_those_of_substrate(t *testing.T) {
	alice := unhex(t, "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")
	key := append(scale.Twox([]byte("System"), 128), scale.Twox([]byte("Account"), 128)...)
	key = append(key, scale.HashBlake2_128Concat.Key(alice)...)
	want := "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9" + "de1e86a9a8c739864cf3cc5ec2bea59f" +
		"d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
	if got := hex.EncodeToString(key); got != want {
		t.Errorf("the key of Alice's account is %s, want %s", got, want)
	}
	for h := scale.HashBlake2_128; h <= scale.HashIdentity; h++ {
		bytes, readable := h.Prefix()
		if got := h.Key(alice); len(got) != bytes+map[bool]int{true: 32}[readable] || readable && string(got[bytes:]) != string(alice) {
			t.Errorf("hasher %d gives %x, but says %d, %v", h, got, bytes, readable)
		}
	}
}

// small is metadata with a type of every kind.
func small() *scale.Metadata {
	prim := func(p scale.Prim) scale.Type { return scale.Type{Def: scale.Def{Kind: scale.Primitive, Prim: p}} }
	m := &scale.Metadata{Types: []scale.Type{
		0:  prim(scale.U8),
		1:  prim(scale.U16),
		2:  prim(scale.U128),
		3:  prim(scale.Str),
		4:  {Path: []string{"sp_core", "AccountId32"}, Def: scale.Def{Kind: scale.Composite, Fields: []scale.Field{{Type: 5, TypeName: "[u8; 32]"}}}},
		5:  {Def: scale.Def{Kind: scale.Array, Elem: 0, Len: 32}},
		6:  {Def: scale.Def{Kind: scale.Sequence, Elem: 1}},
		7:  {Path: []string{"Option"}, Params: []scale.Param{{Name: "T", Type: 1}}, Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{{Name: "None"}, {Name: "Some", Index: 1, Fields: []scale.Field{{Type: 1}}}}}},
		8:  {Def: scale.Def{Kind: scale.Compact, Elem: 1}},
		9:  {Def: scale.Def{Kind: scale.Tuple, Items: []int{1, 4, 8}}},
		10: {Def: scale.Def{Kind: scale.Tuple}},
		11: {Path: []string{"Call"}, Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{{Name: "set", Index: 7, Fields: []scale.Field{{Name: "who", Type: 4}, {Name: "values", Type: 6}}, Docs: []string{"sets"}}, {Name: "stop", Index: 9}}}},
		12: {Def: scale.Def{Kind: scale.Sequence, Elem: 10}},
		13: {Path: []string{"Xt"}, Params: []scale.Param{{Name: "Address", Type: 4}, {Name: "Call", Type: 11}, {Name: "Signature", Type: 5}, {Name: "Extra", Type: 10}, {Name: "None", Type: -1}}, Def: scale.Def{Kind: scale.Composite}},
		14: prim(scale.I16),
		15: {Def: scale.Def{Kind: scale.Compact, Elem: 2}},
		16: {Def: scale.Def{Kind: scale.BitSequence, Store: 0, Order: 10}},
		17: {Path: []string{"Loop"}, Def: scale.Def{Kind: scale.Sequence, Elem: 17}},
		18: {Path: []string{"Self"}, Def: scale.Def{Kind: scale.Composite, Fields: []scale.Field{{Type: 18}}}},
		19: prim(scale.Bool),
		20: prim(scale.Char),
	}, Runtime: 10}
	m.Pallets = []scale.Pallet{{Name: "Subject", Index: 7, Calls: 11, Events: -1, Errors: 11, Storage: &scale.Storage{Prefix: "Subject", Entries: []scale.Entry{
		{Name: "Number", Key: -1, Value: 1, Default: []byte{0, 0}, Docs: []string{"a number"}},
		{Name: "Many", Optional: true, Hashers: []scale.Hasher{scale.HashIdentity, scale.HashTwox64Concat}, Key: 9, Value: 6, Default: []byte{0}},
	}}, Constants: []scale.Constant{{Name: "Most", Type: 1, Value: []byte{1, 0}}}}}
	m.Extrinsic = scale.Extrinsic{Type: 13, Version: 4, Address: 4, Call: 11, Signature: 5, Extra: 10, Extensions: []scale.Extension{{Name: "CheckNonce", Extra: 8, Additional: 10}}}
	m.APIs = []scale.API{{Name: "Api", Methods: []scale.Method{{Name: "get", Inputs: []scale.Field{{Name: "netuid", Type: 1}}, Output: 7, Docs: []string{"gets"}}}}}
	return m
}

func parsed(t testing.TB, version byte) *scale.Metadata {
	t.Helper()
	m, err := scale.ParseMetadata(small().Append(nil, version))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMetadata_reads_back_what_was_written(t *testing.T) {
	for _, version := range []byte{14, 15} {
		m := parsed(t, version)
		if again := m.Append(nil, version); !bytes.Equal(again, small().Append(nil, version)) {
			t.Errorf("v%d is written otherwise the second time", version)
		}
		if !reflect.DeepEqual(m.Pallets, small().Pallets) || !reflect.DeepEqual(m.Types, small().Types) {
			t.Errorf("v%d reads %+v", version, m.Pallets)
		}
		x := m.Extrinsic
		if x.Address != 4 || x.Call != 11 || x.Signature != 5 || x.Extra != 10 || len(x.Extensions) != 1 {
			t.Errorf("v%d has the extrinsic %+v", version, x)
		}
	}
	if m := parsed(t, 15); !reflect.DeepEqual(m.APIs, small().APIs) {
		t.Errorf("v15 reads %+v", m.APIs)
	}
}

func TestMetadata_finds_things_by_name_or_says_that_the_runtime_lacks_them(t *testing.T) {
	m := parsed(t, 15)
	for name, find := range map[string]func(string) error{
		"Subject": func(s string) error { _, err := m.Pallet(s); return err },
		"Many":    func(s string) error { _, _, err := m.Entry("Subject", s); return err },
		"stop":    func(s string) error { _, _, err := m.Call("Subject", s); return err },
		"Most":    func(s string) error { _, err := m.Constant("Subject", s); return err },
		"get":     func(s string) error { _, err := m.Method("Api", s); return err },
	} {
		if err := find(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := find("none"); !errors.Is(err, scale.ErrUnknown) || !strings.Contains(err.Error(), "none") {
			t.Errorf("instead of %s: %v", name, err)
		}
	}
	if _, v, err := m.Error(7, 9); err != nil || v.Name != "stop" {
		t.Errorf("error 9 of pallet 7 is %v, %v", v, err)
	}
	if _, _, err := m.Error(7, 8); !errors.Is(err, scale.ErrUnknown) {
		t.Errorf("error 8 of pallet 7: %v", err)
	}
}

func TestValues_of_every_kind_come_back(t *testing.T) {
	m := parsed(t, 14)
	who := bytes.Repeat([]byte{7}, 32)
	for _, c := range []struct {
		typ   int
		give  any
		bytes string
		want  any
	}{
		{0, 255, "ff", uint64(255)},
		{1, uint16(258), "0201", uint64(258)},
		{2, 1, "01000000000000000000000000000000", big.NewInt(1)},
		{3, "vision", "18766973696f6e", "vision"},
		{4, [32]byte(who), hex.EncodeToString(who), who},
		{6, []uint16{1, 2}, "0801000200", []any{uint64(1), uint64(2)}},
		{7, nil, "00", nil},
		{7, 5, "010500", uint64(5)},
		{8, 16384, "02000100", uint64(16384)},
		{9, []any{1, who, 2}, "0100" + hex.EncodeToString(who) + "08", []any{uint64(1), who, uint64(2)}},
		{10, nil, "", nil},
		{11, scale.Choice{Name: "set", Value: map[string]any{"who": who, "values": []int{3}}}, "07" + hex.EncodeToString(who) + "040300",
			scale.Choice{Name: "set", Index: 7, Value: scale.Struct{{Name: "who", Value: who}, {Name: "values", Value: []any{uint64(3)}}}}},
		{11, "stop", "09", scale.Choice{Name: "stop", Index: 9}},
		{14, -2, "feff", int64(-2)},
		{15, new(big.Int).Lsh(big.NewInt(1), 100), "2700000000000000000000000010", new(big.Int).Lsh(big.NewInt(1), 100)},
		{19, true, "01", true},
		{20, 'v', "76000000", 'v'},
	} {
		b, err := m.Encode(nil, c.typ, c.give)
		if got := hex.EncodeToString(b); err != nil || got != c.bytes {
			t.Errorf("type %d: %v is %s, %v, want %s", c.typ, c.give, got, err, c.bytes)
			continue
		}
		got, err := m.DecodeAll(c.typ, b)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("type %d: %s reads as %v, %v, want %v", c.typ, c.bytes, got, err, c.want)
			continue
		}
		if again, err := m.Encode(nil, c.typ, got); err != nil || !bytes.Equal(again, b) {
			t.Errorf("type %d: %v, as read, is %x, %v", c.typ, got, again, err)
		}
	}
}

func TestEncode_refuses_what_the_type_cannot_hold_and_names_the_field(t *testing.T) {
	m := parsed(t, 14)
	for _, c := range []struct {
		typ  int
		give any
		want string
	}{
		{0, 256, "8 bits"}, {0, -1, "8 bits"}, {14, 1 << 15, "16 bits"}, {1, "1", "string for an integer"}, {3, 5, "int for a string"}, {8, 1 << 16, "16 bits"},
		{4, make([]byte, 31), "31 elements for an array of 32"}, {6, []int{1, 70000}, "element 1"}, {6, 5, "int for a sequence"},
		{11, scale.Choice{Name: "set", Value: map[string]any{"who": make([]byte, 32), "values": []int{-1}}}, "set: values: element 0"},
		{11, scale.Choice{Name: "set", Value: map[string]any{"who": nil}}, "1 values for 2 fields"}, {11, "go", `no variant "go"`}, {11, 5, "enum"},
		{9, []any{1}, "1 values for 3 fields"}, {16, 1, "bit sequences"}, {99, 1, "type 99"}, {19, 1, "int for a bool"}, {18, 1, "deeper"},
	} {
		if b, err := m.Encode(nil, c.typ, c.give); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("type %d: %v gave %x, %v, want an error with %q", c.typ, c.give, b, err, c.want)
		}
	}
}

func TestDecode_is_bounded_whatever_the_types_and_bytes_say(t *testing.T) {
	m := parsed(t, 14)
	for _, c := range []struct {
		typ         int
		bytes, want string
	}{
		{6, "feffffff0000", "too early"},                       // a million elements in two bytes
		{12, "feffffff", "too early"},                          // a million elements of no bytes
		{17, strings.Repeat("04", 100), "deeper"},              // a list in a list in a list ...
		{18, "", "deeper"},                                     // a type that holds itself
		{8, "02000400", "16 bits"},                             // a compact number that u16 cannot hold
		{11, "08", "no variant 8"}, {16, "00", "bit sequence"}, // what there is not
		{1, "010203", "left over"},
	} {
		if v, err := m.DecodeAll(c.typ, unhex(t, c.bytes)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("type %d: %s gave %v, %v, want an error with %q", c.typ, c.bytes, v, err, c.want)
		}
	}
}

func TestParseMetadata_refuses_what_is_none(t *testing.T) {
	good := small().Append(nil, 14)
	foreign := small()
	foreign.Types[6].Def.Elem = 99
	for what, b := range map[string][]byte{
		"nothing": nil, "no magic": []byte("atem\x0e"), "version 16": append([]byte("meta"), 16, 0), "an unknown type": foreign.Append(nil, 14), "one byte more": append(bytes.Clone(good), 0),
	} {
		if _, err := scale.ParseMetadata(b); err == nil {
			t.Errorf("%s was taken for metadata", what)
		}
	}
	for n := range good {
		if _, err := scale.ParseMetadata(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for metadata", n, len(good))
		}
	}
}

func TestMetadata_of_finney_is_written_as_it_was_read(t *testing.T) {
	b := recorded(t, "sdk-finney-v14.scale")
	m, err := scale.ParseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Append(nil, 14), b) {
		t.Error("v14 is written otherwise")
	}
	if m, err = scale.ParseMetadata(recorded(t, "sdk-finney-v15.scale")); err != nil {
		t.Fatal(err)
	}
	again, err := scale.ParseMetadata(m.Append(nil, 15))
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Errorf("v15 reads otherwise after it was written: %v", err)
	}
	if len(m.APIs) < 20 {
		t.Errorf("%d runtime APIs", len(m.APIs))
	}
}

func TestDecode_reads_the_recorded_metagraph_of_1024_neurons(t *testing.T) {
	m, output, reply := metagraph(t)
	v, err := m.DecodeAll(output, reply)
	if err != nil {
		t.Fatal(err)
	}
	s := v.(scale.Struct)
	if hotkeys := s.Get("hotkeys").([]any); len(hotkeys) != 1024 || s.Get("tempo") != uint64(99) || s.Get("weights_version") != uint64(21706) {
		t.Errorf("%d hotkeys, tempo %v, version %v", len(hotkeys), s.Get("tempo"), s.Get("weights_version"))
	}
	if again, err := m.Encode(nil, output, v); err != nil || !bytes.Equal(again, reply) {
		t.Errorf("it is written otherwise: %v", err)
	}
}

func metagraph(t testing.TB) (m *scale.Metadata, output int, reply []byte) {
	t.Helper()
	m, err := scale.ParseMetadata(recorded(t, "sdk-finney-v15.scale"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Method("SubnetInfoRuntimeApi", "get_selective_mechagraph")
	if err != nil {
		t.Fatal(err)
	}
	var call struct{ Result string }
	if err := json.Unmarshal(recorded(t, "sdk-reply-mechagraph.json"), &call); err != nil {
		t.Fatal(err)
	}
	return m, f.Output, unhex(t, call.Result)
}

func BenchmarkParseMetadata_of_finney(b *testing.B) {
	raw := recorded(b, "sdk-finney-v14.scale")
	for b.Loop() {
		if _, err := scale.ParseMetadata(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode_metagraph_of_1024(b *testing.B) {
	m, output, reply := metagraph(b)
	for b.Loop() {
		if _, err := m.DecodeAll(output, reply); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add(small().Append(nil, 14))
	f.Add(small().Append(nil, 15))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := scale.ParseMetadata(b)
		if err != nil {
			return
		}
		for typ := range m.Types {
			m.Decode(typ, scale.NewReader([]byte{4, 1, 0, 0, 0, 8, 1, 2, 3}))
		}
		if again, err := scale.ParseMetadata(m.Append(nil, m.Version)); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("it reads otherwise after it was written: %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	m := parsed(f, 14)
	f.Add(11, []byte{9})
	f.Add(9, bytes.Repeat([]byte{4}, 40))
	f.Fuzz(func(t *testing.T, typ int, b []byte) {
		v, err := m.DecodeAll(typ, b)
		if err != nil || typ < 0 || typ >= len(m.Types) || m.Empty(typ) {
			return
		}
		if again, err := m.Encode(nil, typ, v); err != nil || !bytes.Equal(again, b) {
			t.Errorf("type %d: %x reads as %v and is written as %x, %v", typ, b, v, again, err)
		}
	})
}
