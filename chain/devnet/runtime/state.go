package runtime

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/vision19/vision/chain/scale"
)

// layer is a store of changes over another, which commit writes down and dropping undoes.
type layer struct {
	under   Store
	changes map[string][]byte // nil: deleted
}

func over(s Store) *layer { return &layer{under: s, changes: map[string][]byte{}} }

func (l *layer) Get(key []byte) []byte {
	if v, ok := l.changes[string(key)]; ok {
		return v
	}
	return l.under.Get(key)
}

func (l *layer) Put(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	l.changes[string(key)] = value
}

func (l *layer) Delete(key []byte) { l.changes[string(key)] = nil }

func (l *layer) Keys(prefix, after []byte, limit int) [][]byte {
	ask := limit
	if limit > 0 {
		ask += len(l.changes)
	}
	var keys [][]byte
	for _, k := range l.under.Keys(prefix, after, ask) {
		if _, changed := l.changes[string(k)]; !changed {
			keys = append(keys, k)
		}
	}
	for k, v := range l.changes {
		if b := []byte(k); v != nil && bytes.HasPrefix(b, prefix) && (after == nil || bytes.Compare(b, after) > 0) {
			keys = append(keys, b)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	return keys
}

func (l *layer) commit() {
	for k, v := range l.changes {
		if v == nil {
			l.under.Delete([]byte(k))
		} else {
			l.under.Put([]byte(k), v)
		}
	}
}

// state reads and writes values by the names of the storage: those of SubtensorModule alone, others as System.Number. A name or a value that the
// tables do not have is a mistake of this package, and panics.
type state struct {
	*Runtime
	Store
}

// nested runs f over a layer that is kept only if f returns nil.
func (s state) nested(f func(state) error) error {
	l := over(s.Store)
	err := f(state{s.Runtime, l})
	if err == nil {
		l.commit()
	}
	return err
}

func (s state) at(entry string, keys []any) (*place, []byte) {
	at := s.entries[entry]
	if at == nil {
		panic("no storage is called " + entry)
	}
	key := slices.Clone(at.prefix)
	for i, k := range keys {
		b, err := s.meta.Encode(nil, at.keys[i], k)
		if err != nil {
			panic(fmt.Sprintf("the key of %s: %v", entry, err))
		}
		key = append(key, at.hashers[i].Key(b)...)
	}
	return at, key
}

// get is a value as scale decodes it; of an absent one its default, or nil where absence has a meaning.
func (s state) get(entry string, keys ...any) any {
	at, key := s.at(entry, keys)
	b := s.Get(key)
	if b == nil {
		if at.optional {
			return nil
		}
		b = at.fallback
	}
	v, err := s.meta.DecodeAll(at.value, b)
	if err != nil { // a state that was not made here: as if nothing stood there, which is what a failed decode is to the chain
		if at.optional {
			return nil
		}
		v, _ = s.meta.DecodeAll(at.value, at.fallback)
	}
	return v
}

func (s state) has(entry string, keys ...any) bool {
	_, key := s.at(entry, keys)
	return s.Get(key) != nil
}

func (s state) put(value any, entry string, keys ...any) {
	at, key := s.at(entry, keys)
	b, err := s.meta.Encode(nil, at.value, value)
	if err != nil {
		panic(fmt.Sprintf("the value of %s: %v", entry, err))
	}
	s.Put(key, b)
}

func (s state) remove(entry string, keys ...any) {
	_, key := s.at(entry, keys)
	s.Delete(key)
}

func (s state) number(entry string, keys ...any) uint64 {
	n, _ := s.get(entry, keys...).(uint64)
	return n
}

func (s state) flag(entry string, keys ...any) bool {
	b, _ := s.get(entry, keys...).(bool)
	return b
}

func (s state) bytes(entry string, keys ...any) []byte {
	b, _ := s.get(entry, keys...).([]byte)
	return b
}

// numbers is a vector of integers.
func (s state) numbers(entry string, keys ...any) []uint64 { return integers(s.get(entry, keys...)) }

func (s state) flags(entry string, keys ...any) []bool {
	all, _ := s.get(entry, keys...).([]any)
	out := make([]bool, len(all))
	for i, v := range all {
		out[i], _ = v.(bool)
	}
	return out
}

func integers(v any) []uint64 {
	all, _ := v.([]any)
	out := make([]uint64, len(all))
	for i, v := range all {
		out[i], _ = v.(uint64)
	}
	return out
}

func shorts(v any) []uint16 {
	all, _ := v.([]any)
	out := make([]uint16, len(all))
	for i, v := range all {
		n, _ := v.(uint64)
		out[i] = uint16(n)
	}
	return out
}

// block is the number of the block that is being made.
func (s state) block() uint64 { return s.number("System.Number") }

// deposit appends an event. Its phase is System.ExecutionPhase.
func (s state) deposit(pallet, name string, fields any) {
	if fields, ok := fields.([]any); ok && len(fields) == 1 {
		s.depositValue(pallet, name, fields[0])
		return
	}
	s.depositValue(pallet, name, fields)
}

func (s state) depositValue(pallet, name string, fields any) {
	record := scale.Struct{
		{Name: "phase", Value: s.get("System.ExecutionPhase")},
		{Name: "event", Value: scale.Choice{Name: pallet, Value: scale.Choice{Name: name, Value: fields}}},
		{Name: "topics", Value: []any{}},
	}
	if record[0].Value == nil {
		record[0].Value = scale.Choice{Name: "Finalization"}
	}
	elem := s.meta.Types[s.ids["Vec<EventRecord>"]].Def.Elem
	b, err := s.meta.Encode(nil, elem, record)
	if err != nil {
		panic(fmt.Sprintf("the event %s.%s: %v", pallet, name, err))
	}
	count := s.number("System.EventCount") + 1
	_, key := s.at("System.Events", nil)
	all := scale.NewReader(s.Get(key))
	if count > 1 {
		all.Compact()
	}
	s.Put(key, append(append(scale.AppendCompact(nil, count), all.Bytes(all.Left())...), b...))
	s.put(count, "System.EventCount")
}

// emit deposits an event of SubtensorModule.
func (s state) emit(name string, fields ...any) { s.deposit("SubtensorModule", name, fields) }
