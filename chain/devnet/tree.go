package devnet

import (
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// tree is a treap that never changes: a write makes new nodes from the root to the key and shares the others. So every block keeps its
// state at the cost of what it wrote, and a fork goes on from any of them. Priorities are hashes of keys: equal contents have one shape.
type tree struct {
	key         string
	value       []byte
	priority    uint64
	left, right *tree
	sum         []byte // of the subtree, once asked
}

func (t *tree) get(key string) ([]byte, bool) {
	for t != nil {
		switch c := strings.Compare(key, t.key); {
		case c == 0:
			return t.value, true
		case c < 0:
			t = t.left
		default:
			t = t.right
		}
	}
	return nil, false
}

func (t *tree) put(key string, value []byte) *tree {
	h := blake2b.Sum256([]byte(key))
	return t.insert(&tree{key: key, value: value, priority: binary.LittleEndian.Uint64(h[:])})
}

func (t *tree) insert(n *tree) *tree {
	if t == nil {
		return n
	}
	c := strings.Compare(n.key, t.key)
	if c == 0 {
		n.left, n.right = t.left, t.right
		return n
	}
	if n.priority > t.priority {
		n.left, n.right = t.split(n.key)
		return n
	}
	if c < 0 {
		return t.with(t.left.insert(n), t.right)
	}
	return t.with(t.left, t.right.insert(n))
}

// split parts the keys below key from those above it; key itself is not in t.
func (t *tree) split(key string) (below, above *tree) {
	if t == nil {
		return nil, nil
	}
	if t.key < key {
		below, above = t.right.split(key)
		return t.with(t.left, below), above
	}
	below, above = t.left.split(key)
	return below, t.with(above, t.right)
}

func (t *tree) remove(key string) *tree {
	if t == nil {
		return nil
	}
	switch c := strings.Compare(key, t.key); {
	case c == 0:
		return join(t.left, t.right)
	case c < 0:
		return t.with(t.left.remove(key), t.right)
	default:
		return t.with(t.left, t.right.remove(key))
	}
}

func join(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		return a.with(a.left, join(a.right, b))
	default:
		return b.with(join(a, b.left), b.right)
	}
}

func (t *tree) with(left, right *tree) *tree {
	return &tree{key: t.key, value: t.value, priority: t.priority, left: left, right: right}
}

// walk visits keys in order from the first at or above from, until visit returns false.
func (t *tree) walk(from string, visit func(key string, value []byte) bool) bool {
	if t == nil {
		return true
	}
	if from < t.key && !t.left.walk(from, visit) {
		return false
	}
	if from <= t.key && !visit(t.key, t.value) {
		return false
	}
	return t.right.walk(from, visit)
}

// keys are up to limit keys (0: all) with a prefix, in order, strictly after the key after where it is not empty.
func (t *tree) keys(prefix, after string, limit int) [][]byte {
	var keys [][]byte
	t.walk(max(prefix, after), func(key string, _ []byte) bool {
		if !strings.HasPrefix(key, prefix) || limit > 0 && len(keys) >= limit {
			return false
		}
		if after == "" || key != after {
			keys = append(keys, []byte(key))
		}
		return true
	})
	return keys
}

// root is a hash of the contents. It stands where a chain has its trie's root, and is none: no proof can be made from it.
func (t *tree) root() []byte {
	if t == nil {
		return make([]byte, 32)
	}
	if t.sum == nil {
		value := blake2b.Sum256(t.value)
		key := blake2b.Sum256([]byte(t.key))
		b := append(append(key[:], value[:]...), t.left.root()...)
		sum := blake2b.Sum256(append(b, t.right.root()...))
		t.sum = sum[:]
	}
	return t.sum
}

// state is a tree that the rules write to.
type state struct{ *tree }

func (s *state) Get(key []byte) []byte {
	v, ok := s.get(string(key))
	if !ok {
		return nil
	}
	// A copy, as rules that change it in place would change past blocks.
	return append([]byte{}, v...)
}

func (s *state) Put(key, value []byte) { s.tree = s.put(string(key), append([]byte{}, value...)) }

func (s *state) Delete(key []byte) {
	if _, ok := s.get(string(key)); ok {
		s.tree = s.remove(string(key))
	}
}

func (s *state) Keys(prefix, after []byte, limit int) [][]byte {
	return s.keys(string(prefix), string(after), limit)
}
