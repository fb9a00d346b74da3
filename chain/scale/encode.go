package scale

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"reflect"
)

// Encode appends a value of a type, in any of the forms that Decode gives, and also: Go integers of any width, slices and arrays of them and of
// anything else that fits ([]uint16, [32]byte), map[string]any for named fields, and a variant's name alone where it holds nothing. A value that the type cannot hold
// is an error which names the field; nothing is cut off to fit.
func (m *Metadata) Encode(dst []byte, typ int, v any) ([]byte, error) {
	return m.encode(dst, typ, v, 0)
}

func (m *Metadata) encode(dst []byte, typ int, v any, depth int) ([]byte, error) {
	if typ < 0 || typ >= len(m.Types) {
		return nil, fmt.Errorf("type %d of %d", typ, len(m.Types))
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	t := &m.Types[typ]
	d := &t.Def
	switch d.Kind {
	case Composite:
		return m.encodeFields(dst, d.Fields, v, depth)
	case Variants:
		return m.encodeChoice(dst, t, v, depth)
	case Sequence, Array:
		return m.encodeMany(dst, d, v, depth)
	case Tuple:
		fields := make([]Field, len(d.Items))
		for i, item := range d.Items {
			fields[i].Type = item
		}
		if len(fields) == 1 {
			return m.encodeMany(dst, &Def{Kind: Array, Elem: d.Items[0], Len: 1}, v, depth)
		}
		return m.encodeFields(dst, fields, v, depth)
	case Primitive:
		return encodePrimitive(dst, d.Prim, v)
	case Compact:
		prim, ok := m.integer(d.Elem, depth)
		n, err := number(v, prim)
		switch {
		case m.empty[d.Elem]:
			return dst, nil
		case !ok:
			return nil, fmt.Errorf("type %d is no unsigned integer, yet compact", d.Elem)
		case err != nil:
			return nil, err
		}
		return appendCompactBig(dst, n), nil
	}
	return nil, fmt.Errorf("type %d: bit sequences are not understood", typ)
}

func (m *Metadata) encodeFields(dst []byte, fields []Field, v any, depth int) ([]byte, error) {
	if len(fields) == 0 {
		return dst, nil
	}
	if len(fields) == 1 && fields[0].Name == "" {
		return m.encode(dst, fields[0].Type, v, depth+1)
	}
	values := make([]any, len(fields))
	switch s := v.(type) {
	case Struct:
		if len(s) != len(fields) {
			return nil, fmt.Errorf("%d values for %d fields", len(s), len(fields))
		}
		for i, f := range fields {
			values[i] = s.Get(f.Name)
		}
	case map[string]any:
		if len(s) != len(fields) {
			return nil, fmt.Errorf("%d values for %d fields", len(s), len(fields))
		}
		for i, f := range fields {
			value, ok := s[f.Name]
			if !ok {
				return nil, fmt.Errorf("no value for %s", f.Name)
			}
			values[i] = value
		}
	case []any:
		if len(s) != len(fields) {
			return nil, fmt.Errorf("%d values for %d fields", len(s), len(fields))
		}
		values = s
	default:
		if len(fields) > 1 {
			return nil, fmt.Errorf("%T for %d fields", v, len(fields))
		}
		values[0] = v // one named field, given alone
	}
	for i, f := range fields {
		var err error
		if dst, err = m.encode(dst, f.Type, values[i], depth+1); err != nil {
			if f.Name == "" {
				return nil, err
			}
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return dst, nil
}

func (m *Metadata) encodeChoice(dst []byte, t *Type, v any, depth int) ([]byte, error) {
	if t.option() {
		if v == nil {
			return append(dst, 0), nil
		}
		return m.encodeFields(append(dst, 1), t.Def.Variants[1].Fields, v, depth)
	}
	var name string
	var value any
	switch c := v.(type) {
	case Choice:
		name, value = c.Name, c.Value
	case string:
		name = c
	default:
		return nil, fmt.Errorf("%T for the enum %v", v, t.Path)
	}
	for i := range t.Def.Variants {
		if x := &t.Def.Variants[i]; x.Name == name {
			out, err := m.encodeFields(append(dst, x.Index), x.Fields, value, depth)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("enum %v has no variant %q", t.Path, name)
}

func (m *Metadata) encodeMany(dst []byte, d *Def, v any, depth int) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if kind := rv.Kind(); kind != reflect.Slice && kind != reflect.Array {
		return nil, fmt.Errorf("%T for a sequence", v)
	}
	if _, fields := v.(Struct); fields {
		return nil, fmt.Errorf("%T for a sequence", v)
	}
	n := rv.Len()
	if d.Kind == Sequence {
		dst = AppendCompact(dst, uint64(n))
	} else if n != int(d.Len) {
		return nil, fmt.Errorf("%d elements for an array of %d", n, d.Len)
	}
	if b, ok := v.([]byte); ok {
		if e := &m.Types[d.Elem].Def; e.Kind == Primitive && e.Prim == U8 {
			return append(dst, b...), nil
		}
	}
	for i := range n {
		var err error
		if dst, err = m.encode(dst, d.Elem, rv.Index(i).Interface(), depth+1); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return dst, nil
}

func encodePrimitive(dst []byte, p Prim, v any) ([]byte, error) {
	switch p {
	case Bool:
		b, ok := v.(bool)
		if !ok {
			return nil, fmt.Errorf("%T for a bool", v)
		}
		return appendBool(dst, b), nil
	case Str:
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%T for a string", v)
		}
		return AppendBlob(dst, s), nil
	case Char:
		c, ok := v.(rune)
		if !ok {
			return nil, fmt.Errorf("%T for a char", v)
		}
		return binary.LittleEndian.AppendUint32(dst, uint32(c)), nil
	}
	n, err := number(v, p)
	if err != nil {
		return nil, err
	}
	return appendWide(dst, n, p.bytes()), nil
}

// number is v as an integer that p can hold.
func number(v any, p Prim) (*big.Int, error) {
	n := Big(v)
	if n == nil {
		switch rv := reflect.ValueOf(v); {
		case rv.CanUint():
			n = new(big.Int).SetUint64(rv.Uint())
		case rv.CanInt():
			n = big.NewInt(rv.Int())
		default:
			return nil, fmt.Errorf("%T for an integer", v)
		}
	}
	bits := uint(8 * p.bytes())
	least, most := new(big.Int), new(big.Int).Lsh(big.NewInt(1), bits)
	if p >= I8 {
		most.Rsh(most, 1)
		least.Neg(most)
	}
	if n.Cmp(least) < 0 || n.Cmp(most) >= 0 {
		return nil, fmt.Errorf("%d does not fit %d bits", n, bits)
	}
	return n, nil
}
