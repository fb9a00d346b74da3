package scale

import (
	"errors"
	"fmt"
)

// Metadata is what a runtime says of itself: its types and, by pallet, its calls, storage, events, errors and constants. Version 15 adds the runtime
// APIs. A type is named by its place in Types.
type Metadata struct {
	Version   byte
	Types     []Type
	Pallets   []Pallet
	Extrinsic Extrinsic
	Runtime   int   // the type of the runtime itself, which only Rust has a use for
	APIs      []API // version 15 only

	pallets map[string]*Pallet
	least   []int  // by type: a lower bound of its bytes
	empty   []bool // by type: whether it takes no bytes
}

// A Type is one of the registry's (scale-info's PortableType).
type Type struct {
	Path   []string // as in Rust, such as sp_core crypto AccountId32; empty for types without a name
	Params []Param
	Def    Def
	Docs   []string
}

// A Param is a type parameter of a generic type.
type Param struct {
	Name string
	Type int // -1: none
}

// Kind says how a type is built, and is the number by which the metadata tells it.
type Kind byte

// The kinds of types.
const (
	Composite   Kind = iota // Fields, one after the other
	Variants                // Variants, one of which an index byte chooses
	Sequence                // of Elem, as many as a compact length says
	Array                   // of Elem, Len of them
	Tuple                   // Items, one after the other
	Primitive               // Prim
	Compact                 // of Elem, an unsigned integer or what wraps one
	BitSequence             // bits in Store, in Order
)

// A Def is how a type is built. What a kind does not use is zero.
type Def struct {
	Kind         Kind
	Fields       []Field
	Variants     []Variant
	Elem         int
	Len          uint32
	Items        []int
	Prim         Prim
	Store, Order int
}

// Prim is a primitive type, numbered as in the metadata.
type Prim byte

// The primitive types.
const (
	Bool Prim = iota
	Char
	Str
	U8
	U16
	U32
	U64
	U128
	U256
	I8
	I16
	I32
	I64
	I128
	I256
)

// bytes is how long a primitive of fixed size is, else 1, which is the least of Str.
func (p Prim) bytes() int {
	return [...]int{Bool: 1, Char: 4, Str: 1, U8: 1, U16: 2, U32: 4, U64: 8, U128: 16, U256: 32, I8: 1, I16: 2, I32: 4, I64: 8, I128: 16, I256: 32}[p]
}

// A Field is one of a composite's, of a variant's, or an argument of a call (of which the variant is the call).
type Field struct {
	Name     string // "": none
	Type     int
	TypeName string // as written in the source, such as Vec<u16>
	Docs     []string
}

// A Variant is one of an enum's, a call, an event or an error.
type Variant struct {
	Name   string
	Fields []Field
	Index  byte
	Docs   []string
}

// A Pallet is one of the runtime's modules. Calls, Events and Errors are types, -1 where it has none.
type Pallet struct {
	Name                  string
	Index                 byte
	Storage               *Storage
	Calls, Events, Errors int
	Constants             []Constant
	Docs                  []string // version 15 only
}

// Storage is what a pallet keeps, under keys that begin with the hash of Prefix.
type Storage struct {
	Prefix  string
	Entries []Entry
}

// An Entry is a value, or a map of values.
type Entry struct {
	Name       string
	Optional   bool     // nothing stored means that there is nothing; else it means Default
	Hashers    []Hasher // by part of the key; none for a plain value
	Key, Value int      // types. Key is a tuple where there are many hashers, -1 for a plain value
	Default    []byte
	Docs       []string
}

// A Constant is a value that the runtime was built with.
type Constant struct {
	Name  string
	Type  int
	Value []byte
	Docs  []string
}

// Extrinsic is how transactions are encoded. Address to Extra are types; version 14 has them as parameters of Type, version 15 has no Type (-1).
type Extrinsic struct {
	Type                            int
	Version                         byte
	Address, Call, Signature, Extra int
	Extensions                      []Extension
}

// An Extension is a signed extension: Extra is its type in the transaction, Additional in what is signed besides.
type Extension struct {
	Name              string
	Extra, Additional int
}

// An API is a trait of functions that state_call calls.
type API struct {
	Name    string
	Methods []Method
	Docs    []string
}

// A Method is a function of a runtime API.
type Method struct {
	Name   string
	Inputs []Field // Name and Type only
	Output int
	Docs   []string
}

// ErrUnknown says that the metadata has no such pallet, call, storage, constant, error or function: this runtime cannot do it.
var ErrUnknown = errors.New("this runtime has none of that name")

// Pallet finds a pallet by name, or is ErrUnknown.
func (m *Metadata) Pallet(name string) (*Pallet, error) {
	if p := m.pallets[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("pallet %s: %w", name, ErrUnknown)
}

// PalletAt finds a pallet by index, or is ErrUnknown.
func (m *Metadata) PalletAt(index byte) (*Pallet, error) {
	for i := range m.Pallets {
		if m.Pallets[i].Index == index {
			return &m.Pallets[i], nil
		}
	}
	return nil, fmt.Errorf("pallet number %d: %w", index, ErrUnknown)
}

// Entry finds a pallet's storage by name, or is ErrUnknown.
func (m *Metadata) Entry(pallet, name string) (*Storage, *Entry, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, nil, err
	}
	if p.Storage != nil {
		for i := range p.Storage.Entries {
			if e := &p.Storage.Entries[i]; e.Name == name {
				return p.Storage, e, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("storage %s.%s: %w", pallet, name, ErrUnknown)
}

// Call finds a call by name, or is ErrUnknown.
func (m *Metadata) Call(pallet, name string) (*Pallet, *Variant, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, nil, err
	}
	if v := m.variant(p.Calls, func(v *Variant) bool { return v.Name == name }); v != nil {
		return p, v, nil
	}
	return nil, nil, fmt.Errorf("call %s.%s: %w", pallet, name, ErrUnknown)
}

// Error finds what an error of the pallet with this index is called, or is ErrUnknown.
func (m *Metadata) Error(pallet, index byte) (*Pallet, *Variant, error) {
	p, err := m.PalletAt(pallet)
	if err != nil {
		return nil, nil, err
	}
	if v := m.variant(p.Errors, func(v *Variant) bool { return v.Index == index }); v != nil {
		return p, v, nil
	}
	return p, nil, fmt.Errorf("error number %d of %s: %w", index, p.Name, ErrUnknown)
}

// Constant finds a constant by name, or is ErrUnknown.
func (m *Metadata) Constant(pallet, name string) (*Constant, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, err
	}
	for i := range p.Constants {
		if p.Constants[i].Name == name {
			return &p.Constants[i], nil
		}
	}
	return nil, fmt.Errorf("constant %s.%s: %w", pallet, name, ErrUnknown)
}

// Method finds a runtime API's function by name, or is ErrUnknown. Version 14 has none at all.
func (m *Metadata) Method(api, name string) (*Method, error) {
	for i := range m.APIs {
		if m.APIs[i].Name != api {
			continue
		}
		for j := range m.APIs[i].Methods {
			if f := &m.APIs[i].Methods[j]; f.Name == name {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("runtime API %s.%s: %w", api, name, ErrUnknown)
}

func (m *Metadata) variant(typ int, is func(*Variant) bool) *Variant {
	if typ < 0 || typ >= len(m.Types) {
		return nil
	}
	d := &m.Types[typ].Def
	for i := range d.Variants {
		if is(&d.Variants[i]) {
			return &d.Variants[i]
		}
	}
	return nil
}

// Empty says whether values of a type take no bytes.
func (m *Metadata) Empty(typ int) bool { return typ >= 0 && typ < len(m.empty) && m.empty[typ] }

// MaxDepth bounds how deep values nest, since a foreign registry may have types that hold themselves.
const MaxDepth = 64
