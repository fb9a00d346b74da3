package scale

import (
	"errors"
	"fmt"
	"math/big"
)

// A Struct is a value with named fields, in their order.
type Struct []Member

// A Member is one field of a Struct.
type Member struct {
	Name  string
	Value any
}

// Get is the field of that name, or nil.
func (s Struct) Get(name string) any {
	for _, m := range s {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// A Choice is an enum's value: which variant it is, and what it holds: nil, the value of its only field if that has no name, a Struct, or []any.
type Choice struct {
	Name  string
	Index byte
	Value any
}

// Decode reads a value of a type; an error is the reader's. Values are:
//
//	bool, string, uint64 (u8 to u64), int64 (i8 to i64), *big.Int (of 128 and 256 bits), rune (char)
//	[]byte             sequences and arrays of u8
//	[]any              other sequences and arrays, tuples, and composites of several fields without names
//	Struct             composites with named fields
//	the field itself   composites of one field without a name (AccountId32 is []byte of 32)
//	Choice             enums; but of Option, nil or the value, so that an Option of an Option reads as one
//	uint64, *big.Int   Compact
//	nil                what takes no bytes
func (m *Metadata) Decode(typ int, r *Reader) any { return m.decode(typ, r, 0) }

// DecodeAll reads a value of a type that fills b to its end.
func (m *Metadata) DecodeAll(typ int, b []byte) (any, error) {
	r := NewReader(b)
	v := m.Decode(typ, r)
	if err := r.Done(); err != nil {
		return nil, err
	}
	return v, nil
}

var errDepth = fmt.Errorf("values nest deeper than %d", MaxDepth)

func (m *Metadata) decode(typ int, r *Reader, depth int) any {
	switch {
	case r.err != nil:
		return nil
	case typ < 0 || typ >= len(m.Types):
		r.fail(fmt.Errorf("type %d of %d", typ, len(m.Types)))
		return nil
	case m.empty[typ]:
		return nil
	case depth > MaxDepth:
		r.fail(errDepth)
		return nil
	}
	t := &m.Types[typ]
	d := &t.Def
	switch d.Kind {
	case Composite:
		return m.fields(d.Fields, r, depth)
	case Variants:
		return m.choose(t, r, depth)
	case Sequence:
		return m.many(d.Elem, r.Length(m.least[d.Elem]), r, depth)
	case Array:
		return m.many(d.Elem, int(d.Len), r, depth)
	case Tuple:
		all := make([]any, len(d.Items))
		for i, item := range d.Items {
			all[i] = m.decode(item, r, depth+1)
		}
		return all
	case Primitive:
		return r.primitive(d.Prim)
	case Compact:
		return m.compact(d.Elem, r, depth)
	}
	r.fail(errors.New("bit sequences are not understood"))
	return nil
}

func (m *Metadata) fields(all []Field, r *Reader, depth int) any {
	switch {
	case len(all) == 0:
		return nil
	case all[0].Name != "":
		s := make(Struct, len(all))
		for i, f := range all {
			s[i] = Member{f.Name, m.decode(f.Type, r, depth+1)}
		}
		return s
	case len(all) == 1:
		return m.decode(all[0].Type, r, depth+1)
	}
	values := make([]any, len(all))
	for i, f := range all {
		values[i] = m.decode(f.Type, r, depth+1)
	}
	return values
}

// option says whether a type is Rust's Option.
func (t *Type) option() bool {
	return len(t.Path) == 1 && t.Path[0] == "Option" && len(t.Def.Variants) == 2
}

func (m *Metadata) choose(t *Type, r *Reader, depth int) any {
	index := r.Byte()
	if r.err != nil {
		return nil
	}
	variants := t.Def.Variants
	for i := range variants {
		if variants[i].Index != index {
			continue
		}
		v := m.fields(variants[i].Fields, r, depth)
		if t.option() {
			return v
		}
		return Choice{Name: variants[i].Name, Index: index, Value: v}
	}
	r.fail(fmt.Errorf("enum %v has no variant %d", t.Path, index))
	return nil
}

func (m *Metadata) many(elem, n int, r *Reader, depth int) any {
	if d := &m.Types[elem].Def; d.Kind == Primitive && d.Prim == U8 {
		return r.Bytes(n)
	}
	if least := m.least[elem]; r.err != nil || n*least > r.Left() {
		r.fail(ErrShort)
		return nil
	}
	all := make([]any, 0, n)
	for range n {
		if r.err != nil {
			return nil
		}
		all = append(all, m.decode(elem, r, depth+1))
	}
	return all
}

// compact reads a compact integer. One of up to 64 bits is uint64, as it is where it is not compact.
func (m *Metadata) compact(elem int, r *Reader, depth int) any {
	prim, ok := m.integer(elem, depth)
	switch {
	case m.empty[elem]:
		return nil
	case !ok:
		r.fail(fmt.Errorf("type %d is no unsigned integer, yet compact", elem))
		return nil
	case prim == U128 || prim == U256:
		v := r.CompactBig()
		if v.BitLen() > 8*prim.bytes() {
			r.fail(fmt.Errorf("the compact number %d has more than %d bits", v, 8*prim.bytes()))
		}
		return v
	}
	v := r.Compact()
	if bits := 8 * prim.bytes(); bits < 64 && v>>bits != 0 {
		r.fail(fmt.Errorf("the compact number %d has more than %d bits", v, bits))
	}
	return v
}

// integer is the unsigned integer that a type is or, by one field, wraps.
func (m *Metadata) integer(typ, depth int) (Prim, bool) {
	d := &m.Types[typ].Def
	switch {
	case d.Kind == Primitive:
		return d.Prim, d.Prim >= U8 && d.Prim <= U256
	case d.Kind == Composite && len(d.Fields) == 1 && depth < MaxDepth:
		return m.integer(d.Fields[0].Type, depth+1)
	}
	return 0, false
}

func (r *Reader) primitive(p Prim) any {
	switch p {
	case Bool:
		return r.Bool()
	case Char:
		return rune(r.U32())
	case Str:
		return r.String()
	case U8:
		return uint64(r.Byte())
	case U16:
		return uint64(r.U16())
	case U32:
		return uint64(r.U32())
	case U64:
		return r.U64()
	case U128, U256:
		return r.unsigned(p.bytes())
	case I8:
		return int64(int8(r.Byte()))
	case I16:
		return int64(int16(r.U16()))
	case I32:
		return int64(int32(r.U32()))
	case I64:
		return int64(r.U64())
	}
	return r.signed(p.bytes())
}

// Big is a value's number, whichever of the integer types Decode gave it, or nil.
func Big(v any) *big.Int {
	switch v := v.(type) {
	case uint64:
		return new(big.Int).SetUint64(v)
	case int64:
		return big.NewInt(v)
	case *big.Int:
		return v
	}
	return nil
}
