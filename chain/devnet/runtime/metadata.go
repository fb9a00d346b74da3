package runtime

import (
	"fmt"
	"strings"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

var hashers = map[string]scale.Hasher{
	"identity": scale.HashIdentity, "blake2_128_concat": scale.HashBlake2_128Concat, "twox64_concat": scale.HashTwox64Concat,
}

// build turns the tables into metadata and places. A mistake in a table panics, and every test finds it.
func build(v Version, beacon tlock.Beacon, tables []pallet) *Runtime {
	reg := newRegistry()
	var calls, events, errs []string
	for _, p := range tables {
		add := func(all *[]string, kind string, variants []variant) {
			if len(variants) > 0 {
				reg.define(p.name+kind, p.path+"::"+kind, "enum ")
				*all = append(*all, p.name)
			}
		}
		add(&calls, "Call", p.calls)
		add(&events, "Event", p.events)
		add(&errs, "Error", p.errors)
	}
	outer := func(kind string, names []string) int {
		id := reg.id("Runtime" + kind)
		for _, p := range tables {
			for _, n := range names {
				if n == p.name {
					inner := reg.id(p.name + kind)
					reg.types[id].Def.Variants = append(reg.types[id].Def.Variants, scale.Variant{Name: p.name, Index: p.index, Fields: []scale.Field{{Type: inner}}})
				}
			}
		}
		return id
	}
	for _, kind := range []string{"Call", "Event", "Error"} {
		reg.define("Runtime"+kind, "node_subtensor_runtime::Runtime"+kind, "enum ")
	}
	eras := make([]string, 256)
	for i := range eras {
		eras[i] = fmt.Sprintf("Mortal%d(u8)", i)
	}
	eras[0] = "Immortal"
	reg.define("Era", "sp_runtime::generic::era::Era", "enum "+strings.Join(eras, ", "))
	defineMetagraph(reg)
	r := &Runtime{version: v, beacon: beacon, entries: map[string]*place{}, ids: map[string]int{}, zeros: map[string][]byte{}}
	r.call = outer("Call", calls)
	outer("Event", events)
	outer("Error", errs)
	for _, p := range tables {
		for kind, variants := range map[string][]variant{"Call": p.calls, "Event": p.events, "Error": p.errors} {
			if len(variants) > 0 {
				fillVariants(reg, p.name+kind, variants)
			}
		}
	}
	m := &scale.Metadata{Version: 15, Runtime: reg.id("Runtime")}
	for _, p := range tables {
		m.Pallets = append(m.Pallets, r.pallet(reg, p))
	}
	x := &m.Extrinsic
	x.Version, x.Address, x.Call, x.Signature = 4, reg.id("MultiAddress"), r.call, reg.id("MultiSignature")
	// polkadot.js takes the parameters of these for granted.
	reg.types[x.Address].Params = []scale.Param{{Name: "AccountId", Type: reg.id("AccountId32")}, {Name: "AccountIndex", Type: reg.id("()")}}
	event := reg.id("EventRecord")
	reg.types[event].Params = []scale.Param{{Name: "E", Type: reg.types[event].Def.Fields[1].Type}, {Name: "T", Type: reg.id("H256")}}
	var extras []string
	for _, e := range extensions {
		extras = append(extras, e.extra)
		x.Extensions = append(x.Extensions, scale.Extension{Name: e.name, Extra: reg.id(e.extra), Additional: reg.id(e.additional)})
	}
	x.Extra = reg.id("(" + strings.Join(extras, ", ") + ")")
	x.Type = len(reg.types)
	reg.types = append(reg.types, scale.Type{Path: []string{"sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic"},
		Params: []scale.Param{{Name: "Address", Type: x.Address}, {Name: "Call", Type: x.Call}, {Name: "Signature", Type: x.Signature}, {Name: "Extra", Type: x.Extra}},
		Def:    scale.Def{Kind: scale.Composite, Fields: []scale.Field{{Type: reg.id("Vec<u8>")}}}})
	for _, a := range apis() {
		api := scale.API{Name: a.name}
		for _, f := range a.functions {
			api.Methods = append(api.Methods, scale.Method{Name: f.name, Inputs: reg.fields("{" + f.inputs + "}"), Output: reg.id(f.output)})
		}
		m.APIs = append(m.APIs, api)
	}
	r.ids["Vec<EventRecord>"] = reg.id("Vec<EventRecord>")
	for _, f := range append(metagraph[:len(metagraph):len(metagraph)], selective...) {
		r.ids[f.typ], r.zeros[f.typ] = reg.id(f.typ), reg.zero(reg.id(f.typ))
	}
	m.Types = reg.types
	r.finish(reg, m, tables)
	return r
}

func fillVariants(reg *registry, name string, variants []variant) {
	id := reg.id(name)
	for _, v := range variants {
		fields := reg.fields(v.fields)
		reg.types[id].Def.Variants = append(reg.types[id].Def.Variants, scale.Variant{Name: v.name, Index: v.index, Fields: fields})
	}
}

// pallet is a table as metadata, but for the values in it, which are encoded when all types are known.
func (r *Runtime) pallet(reg *registry, p pallet) scale.Pallet {
	typ := func(kind string, variants []variant) int {
		if len(variants) == 0 {
			return -1
		}
		return reg.id(p.name + kind)
	}
	out := scale.Pallet{Name: p.name, Index: p.index, Calls: typ("Call", p.calls), Events: typ("Event", p.events), Errors: typ("Error", p.errors)}
	for _, c := range p.constants {
		out.Constants = append(out.Constants, scale.Constant{Name: c.name, Type: reg.id(c.typ)})
	}
	if len(p.storage) == 0 {
		return out
	}
	out.Storage = &scale.Storage{Prefix: p.name}
	for _, e := range p.storage {
		_, absent := e.fallback.(optional)
		at := &place{prefix: append(scale.Twox([]byte(p.name), 128), scale.Twox([]byte(e.name), 128)...), value: reg.id(e.value), optional: absent}
		var keys []string
		for _, k := range split(e.keys) {
			hasher, typ, _ := strings.Cut(k, " ")
			at.hashers, at.keys, keys = append(at.hashers, hashers[hasher]), append(at.keys, reg.id(typ)), append(keys, typ)
		}
		key := -1
		switch len(keys) {
		case 0:
		case 1:
			key = at.keys[0]
		default:
			key = reg.id("(" + strings.Join(keys, ", ") + ")")
		}
		out.Storage.Entries = append(out.Storage.Entries, scale.Entry{Name: e.name, Optional: absent, Hashers: at.hashers, Key: key, Value: at.value})
		name := e.name
		if p.name != subtensor.name {
			name = p.name + "." + name
		}
		r.entries[name] = at
	}
	return out
}

// finish encodes the tables' values, which takes metadata that was read back once.
func (r *Runtime) finish(reg *registry, m *scale.Metadata, tables []pallet) {
	read := func() *scale.Metadata {
		parsed, err := scale.ParseMetadata(m.Append(nil, 15))
		if err != nil {
			panic(fmt.Sprintf("our own metadata: %v", err))
		}
		return parsed
	}
	types := read()
	encode := func(typ int, v any) []byte {
		b, err := types.Encode(nil, typ, v)
		if err != nil {
			panic(fmt.Sprintf("a value of the tables: %v", err))
		}
		return b
	}
	for i, p := range tables {
		for j, c := range p.constants {
			m.Pallets[i].Constants[j].Value = encode(m.Pallets[i].Constants[j].Type, c.value)
		}
		for j, e := range p.storage {
			at := r.entries[e.name]
			if p.name != subtensor.name {
				at = r.entries[p.name+"."+e.name]
			}
			switch e.fallback.(type) {
			case optional:
				m.Pallets[i].Storage.Entries[j].Default = []byte{0}
				continue
			case nil:
				at.fallback = reg.zero(at.value)
			default:
				at.fallback = encode(at.value, e.fallback)
			}
			m.Pallets[i].Storage.Entries[j].Default = at.fallback
		}
	}
	r.meta = read()
	r.v14, r.v15 = m.Append(nil, 14), m.Append(nil, 15)
}
