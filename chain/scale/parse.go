package scale

import (
	"bytes"
	"fmt"
)

var magic = []byte("meta")

// ParseMetadata reads metadata of version 14 or 15, as state_getMetadata and Metadata_metadata_at_version give it (the latter inside an Option and a
// Vec, which the caller takes off). Every type that it names is one of its registry's.
func ParseMetadata(b []byte) (*Metadata, error) {
	if !bytes.HasPrefix(b, magic) || len(b) < 5 {
		return nil, fmt.Errorf("metadata: these %d bytes do not begin with %q and a version", len(b), magic)
	}
	m := &Metadata{Version: b[4], Runtime: -1}
	if m.Version != 14 && m.Version != 15 {
		return nil, fmt.Errorf("metadata: version %d, where 14 and 15 are understood", m.Version)
	}
	p := parser{Reader: NewReader(b[5:]), version: m.Version}
	place := 0
	m.Types = list(p, 5, func(p parser) Type {
		if n := p.number(); n != place && p.err == nil {
			p.fail(fmt.Errorf("type %d stands in the place of type %d", n, place))
		}
		place++
		return p.portable()
	})
	p.types = len(m.Types)
	for i, t := range m.Types { // their own references come before the registry's length is known
		if at := t.foreign(p.types); at >= 0 {
			return nil, fmt.Errorf("metadata: type %d names type %d of %d", i, at, p.types)
		}
	}
	m.Pallets = list(p, 6, parser.pallet)
	p.extrinsic(m)
	m.Runtime = p.typ()
	if m.Version == 15 {
		m.APIs = list(p, 3, parser.api)
		p.outer()
	}
	if err := p.Done(); err != nil {
		return nil, fmt.Errorf("metadata v%d: %w", m.Version, err)
	}
	m.index()
	return m, nil
}

func (m *Metadata) index() {
	m.pallets = make(map[string]*Pallet, len(m.Pallets))
	for i := range m.Pallets {
		m.pallets[m.Pallets[i].Name] = &m.Pallets[i]
	}
	m.least, m.empty = make([]int, len(m.Types)), make([]bool, len(m.Types))
	for again := MaxDepth; again > 0; again-- { // types lean on others, so each pass sees one level deeper
		changed := false
		for i := range m.Types {
			least, empty := m.measure(&m.Types[i].Def)
			changed = changed || least != m.least[i] || empty != m.empty[i]
			m.least[i], m.empty[i] = least, empty
		}
		if !changed {
			break
		}
	}
}

// measure is a lower bound of a type's bytes, and whether it takes none at all, by what is known of the types in it. The bound is of at most 32: that
// is enough to keep lengths from promising more than there is.
func (m *Metadata) measure(d *Def) (least int, empty bool) {
	const enough = 32
	parts := func(n int, part func(int) int) (int, bool) {
		sum, empty := 0, true
		for i := range n {
			sum, empty = min(sum+m.least[part(i)], enough), empty && m.empty[part(i)]
		}
		return sum, empty
	}
	switch d.Kind {
	case Composite:
		return parts(len(d.Fields), func(i int) int { return d.Fields[i].Type })
	case Tuple:
		return parts(len(d.Items), func(i int) int { return d.Items[i] })
	case Array:
		return min(m.least[d.Elem]*int(min(d.Len, enough)), enough), d.Len == 0 || m.empty[d.Elem]
	case Primitive:
		return d.Prim.bytes(), false
	case Compact:
		if m.empty[d.Elem] {
			return 0, true
		}
	}
	return 1, false
}

// foreign is a type that t names and a registry of n lacks, or -1.
func (t *Type) foreign(n int) int {
	bad := -1
	see := func(typ int) {
		if typ < 0 || typ >= n {
			bad = typ
		}
	}
	for _, p := range t.Params {
		if p.Type >= 0 {
			see(p.Type)
		}
	}
	fields := func(all []Field) {
		for _, f := range all {
			see(f.Type)
		}
	}
	d := &t.Def
	fields(d.Fields)
	for _, v := range d.Variants {
		fields(v.Fields)
	}
	for _, i := range d.Items {
		see(i)
	}
	switch d.Kind {
	case Sequence, Array, Compact:
		see(d.Elem)
	case BitSequence:
		see(d.Store)
		see(d.Order)
	}
	return bad
}

// A parser reads metadata. types is the registry's length, once it is known.
type parser struct {
	*Reader
	version byte
	types   int
}

// list reads a sequence whose elements take at least so many bytes.
func list[T any](p parser, least int, read func(parser) T) []T {
	n := p.Length(least)
	if n == 0 {
		return nil
	}
	all := make([]T, 0, n)
	for range n {
		if p.err != nil {
			return nil
		}
		all = append(all, read(p))
	}
	return all
}

func (p parser) text() string { return p.String() }

func (p parser) docs() []string { return list(p, 1, parser.text) }

// number reads a type's number, which may lie ahead while the registry is being read.
func (p parser) number() int {
	n := p.Compact()
	if n > 1<<20 {
		p.fail(fmt.Errorf("type number %d is beyond any registry", n))
		return 0
	}
	return int(n)
}

// typ reads the number of a type that the registry has.
func (p parser) typ() int {
	n := p.number()
	if n >= p.types && p.err == nil {
		p.fail(fmt.Errorf("type %d of %d", n, p.types))
		return 0
	}
	return n
}

func (p parser) maybe(read func(parser) int) int {
	if !p.Bool() {
		return -1
	}
	return read(p)
}

func (p parser) portable() Type {
	t := Type{Path: list(p, 1, parser.text)}
	t.Params = list(p, 2, func(p parser) Param { return Param{Name: p.text(), Type: p.maybe(parser.number)} })
	t.Def = p.def()
	t.Docs = p.docs()
	return t
}

func (p parser) def() Def {
	d := Def{Kind: Kind(p.Byte())}
	switch d.Kind {
	case Composite:
		d.Fields = list(p, 4, parser.field)
	case Variants:
		d.Variants = list(p, 4, parser.variant)
	case Sequence, Compact:
		d.Elem = p.number()
	case Array:
		d.Len, d.Elem = p.U32(), p.number()
	case Tuple:
		d.Items = list(p, 1, parser.number)
	case Primitive:
		if d.Prim = Prim(p.Byte()); d.Prim > I256 {
			p.fail(fmt.Errorf("primitive type %d is unknown", d.Prim))
		}
	case BitSequence:
		d.Store, d.Order = p.number(), p.number()
	default:
		p.fail(fmt.Errorf("type definition %d is unknown", d.Kind))
	}
	return d
}

func (p parser) field() Field {
	var f Field
	if p.Bool() {
		f.Name = p.text()
	}
	f.Type = p.number()
	if p.Bool() {
		f.TypeName = p.text()
	}
	f.Docs = p.docs()
	return f
}

func (p parser) variant() Variant {
	return Variant{Name: p.text(), Fields: list(p, 4, parser.field), Index: p.Byte(), Docs: p.docs()}
}

func (p parser) pallet() Pallet {
	x := Pallet{Name: p.text()}
	if p.Bool() {
		x.Storage = &Storage{Prefix: p.text(), Entries: list(p, 6, parser.entry)}
	}
	x.Calls, x.Events = p.maybe(parser.typ), p.maybe(parser.typ)
	x.Constants = list(p, 4, func(p parser) Constant {
		return Constant{Name: p.text(), Type: p.typ(), Value: p.Blob(), Docs: p.docs()}
	})
	x.Errors = p.maybe(parser.typ)
	x.Index = p.Byte()
	if p.version >= 15 {
		x.Docs = p.docs()
	}
	return x
}

func (p parser) entry() Entry {
	e := Entry{Name: p.text(), Key: -1}
	switch modifier := p.Byte(); modifier {
	case 0:
		e.Optional = true
	case 1:
	default:
		p.fail(fmt.Errorf("storage modifier %d is unknown", modifier))
	}
	switch kind := p.Byte(); kind {
	case 0:
		e.Value = p.typ()
	case 1:
		e.Hashers = list(p, 1, func(p parser) Hasher {
			h := Hasher(p.Byte())
			if h > HashIdentity {
				p.fail(fmt.Errorf("hasher %d is unknown", h))
			}
			return h
		})
		e.Key, e.Value = p.typ(), p.typ()
	default:
		p.fail(fmt.Errorf("storage kind %d is unknown", kind))
	}
	e.Default, e.Docs = p.Blob(), p.docs()
	return e
}

func (p parser) extrinsic(m *Metadata) {
	x := &m.Extrinsic
	x.Type, x.Address, x.Call, x.Signature, x.Extra = -1, -1, -1, -1, -1
	if p.version == 14 {
		x.Type, x.Version = p.typ(), p.Byte()
		if p.err == nil {
			for _, param := range m.Types[x.Type].Params {
				switch param.Name {
				case "Address":
					x.Address = param.Type
				case "Call":
					x.Call = param.Type
				case "Signature":
					x.Signature = param.Type
				case "Extra":
					x.Extra = param.Type
				}
			}
		}
	} else {
		x.Version, x.Address, x.Call, x.Signature, x.Extra = p.Byte(), p.typ(), p.typ(), p.typ(), p.typ()
	}
	x.Extensions = list(p, 3, func(p parser) Extension { return Extension{Name: p.text(), Extra: p.typ(), Additional: p.typ()} })
}

func (p parser) api() API {
	return API{Name: p.text(), Methods: list(p, 4, func(p parser) Method {
		f := Method{Name: p.text()}
		f.Inputs = list(p, 2, func(p parser) Field { return Field{Name: p.text(), Type: p.typ()} })
		f.Output, f.Docs = p.typ(), p.docs()
		return f
	}), Docs: p.docs()}
}

// outer reads what only version 15 has at its end and nobody here needs: the types of all calls, events and errors, and a map of custom values.
func (p parser) outer() {
	for range 3 {
		p.typ()
	}
	list(p, 3, func(p parser) struct{} {
		p.text()
		p.typ()
		p.Blob()
		return struct{}{}
	})
}
