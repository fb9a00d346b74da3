package scale

import "encoding/binary"

// Append appends the metadata as ParseMetadata reads it, in version 14 or 15 (any other number is taken for 14). What the version lacks is left out.
func (m *Metadata) Append(dst []byte, version byte) []byte {
	if version != 15 {
		version = 14
	}
	w := writer{append(append(dst, magic...), version)}
	w.length(len(m.Types))
	for i := range m.Types {
		w.number(i)
		w.portable(&m.Types[i])
	}
	w.length(len(m.Pallets))
	for i := range m.Pallets {
		w.pallet(&m.Pallets[i], version)
	}
	x := &m.Extrinsic
	if version == 14 {
		w.number(x.Type)
		w.b = append(w.b, x.Version)
	} else {
		w.b = append(w.b, x.Version)
		w.numbers(x.Address, x.Call, x.Signature, x.Extra)
	}
	w.length(len(x.Extensions))
	for _, e := range x.Extensions {
		w.text(e.Name)
		w.numbers(e.Extra, e.Additional)
	}
	w.number(m.Runtime)
	if version == 15 {
		w.apis(m.APIs)
		w.numbers(x.Call, m.Runtime, m.Runtime) // all calls, events and errors, of which only the calls have a type here
		w.length(0)
	}
	return w.b
}

type writer struct{ b []byte }

func (w *writer) length(n int) { w.b = AppendCompact(w.b, uint64(n)) }

func (w *writer) number(typ int) { w.length(max(typ, 0)) }

func (w *writer) numbers(types ...int) {
	for _, t := range types {
		w.number(t)
	}
}

func (w *writer) text(s string) { w.b = AppendBlob(w.b, s) }

func (w *writer) texts(all []string) {
	w.length(len(all))
	for _, s := range all {
		w.text(s)
	}
}

func (w *writer) optional(s string) {
	if w.b = appendBool(w.b, s != ""); s != "" {
		w.text(s)
	}
}

func (w *writer) maybe(typ int) {
	if w.b = appendBool(w.b, typ >= 0); typ >= 0 {
		w.number(typ)
	}
}

func (w *writer) portable(t *Type) {
	w.texts(t.Path)
	w.length(len(t.Params))
	for _, p := range t.Params {
		w.text(p.Name)
		w.maybe(p.Type)
	}
	d := &t.Def
	w.b = append(w.b, byte(d.Kind))
	switch d.Kind {
	case Composite:
		w.fields(d.Fields)
	case Variants:
		w.length(len(d.Variants))
		for _, v := range d.Variants {
			w.text(v.Name)
			w.fields(v.Fields)
			w.b = append(w.b, v.Index)
			w.texts(v.Docs)
		}
	case Sequence, Compact:
		w.number(d.Elem)
	case Array:
		w.b = binary.LittleEndian.AppendUint32(w.b, d.Len)
		w.number(d.Elem)
	case Tuple:
		w.length(len(d.Items))
		w.numbers(d.Items...)
	case Primitive:
		w.b = append(w.b, byte(d.Prim))
	case BitSequence:
		w.numbers(d.Store, d.Order)
	}
	w.texts(t.Docs)
}

func (w *writer) fields(all []Field) {
	w.length(len(all))
	for _, f := range all {
		w.optional(f.Name)
		w.number(f.Type)
		w.optional(f.TypeName)
		w.texts(f.Docs)
	}
}

func (w *writer) pallet(p *Pallet, version byte) {
	w.text(p.Name)
	if w.b = appendBool(w.b, p.Storage != nil); p.Storage != nil {
		w.text(p.Storage.Prefix)
		w.length(len(p.Storage.Entries))
		for i := range p.Storage.Entries {
			w.entry(&p.Storage.Entries[i])
		}
	}
	w.maybe(p.Calls)
	w.maybe(p.Events)
	w.length(len(p.Constants))
	for _, c := range p.Constants {
		w.text(c.Name)
		w.number(c.Type)
		w.b = AppendBlob(w.b, c.Value)
		w.texts(c.Docs)
	}
	w.maybe(p.Errors)
	w.b = append(w.b, p.Index)
	if version == 15 {
		w.texts(p.Docs)
	}
}

func (w *writer) entry(e *Entry) {
	w.text(e.Name)
	w.b = appendBool(w.b, !e.Optional)
	if w.b = appendBool(w.b, e.Key >= 0); e.Key >= 0 {
		w.length(len(e.Hashers))
		for _, h := range e.Hashers {
			w.b = append(w.b, byte(h))
		}
		w.number(e.Key)
	}
	w.number(e.Value)
	w.b = AppendBlob(w.b, e.Default)
	w.texts(e.Docs)
}

func (w *writer) apis(all []API) {
	w.length(len(all))
	for _, a := range all {
		w.text(a.Name)
		w.length(len(a.Methods))
		for _, f := range a.Methods {
			w.text(f.Name)
			w.length(len(f.Inputs))
			for _, in := range f.Inputs {
				w.text(in.Name)
				w.number(in.Type)
			}
			w.number(f.Output)
			w.texts(f.Docs)
		}
		w.texts(a.Docs)
	}
}
