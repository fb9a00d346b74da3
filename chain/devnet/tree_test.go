package devnet

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTree_is_as_a_sorted_map_and_old_ones_stay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	model, s := map[string]string{}, &state{}
	var old *tree
	var oldKeys []string
	for i := range 3000 {
		key := fmt.Sprintf("k%03d", r.IntN(500))
		if r.IntN(3) == 0 {
			delete(model, key)
			s.Delete([]byte(key))
		} else {
			model[key] = fmt.Sprint(i)
			s.Put([]byte(key), []byte(model[key]))
		}
		if i == 1500 {
			old, oldKeys = s.tree, slices.Sorted(maps.Keys(model))
		}
	}
	names := func(t *tree) (all []string) {
		for _, k := range t.keys("k", "", 0) {
			all = append(all, string(k))
		}
		return all
	}
	if !slices.Equal(names(s.tree), slices.Sorted(maps.Keys(model))) || !slices.Equal(names(old), oldKeys) {
		t.Error("the keys differ")
	}
	var fresh *tree
	for k, v := range model {
		if string(s.Get([]byte(k))) != v {
			t.Errorf("%s: %q, want %q", k, s.Get([]byte(k)), v)
		}
		fresh = fresh.put(k, []byte(v))
	}
	if !bytes.Equal(fresh.root(), s.root()) || bytes.Equal(fresh.root(), old.root()) {
		t.Error("the root is not one of the contents")
	}
}
