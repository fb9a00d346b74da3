package tokenizer

import (
	"strings"
	"sync"
)

const (
	// noID stands for a symbol that the vocabulary lacks until the merges are
	// done; such a symbol never merges.
	noID int64 = -1

	// maxWord bounds the memory that one word takes, in bytes. Of a longer
	// word only the first maxWord bytes are encoded: far more than the tokens
	// that a text encoder takes.
	maxWord = 1 << 16

	// The cache is for the words that prompts repeat, which are short.
	maxCachedWord  = 64
	maxCachedWords = 8192
)

// merge is what two adjacent tokens become, and how early.
type merge struct {
	rank uint32
	id   int64
}

// pairKey packs two ids; Load keeps ids below 1<<31.
func pairKey(a, b int64) uint64 { return uint64(a)<<32 | uint64(b) }

// word returns the tokens of one piece of text. The result is shared: callers
// must not change it.
func (t *Tokenizer) word(s string) []int64 {
	if ids, ok := t.cache.get(s); ok {
		return ids
	}
	ids := t.bpe(s[:min(len(s), maxWord)])
	t.cache.put(s, ids)
	return ids
}

// bpe merges the byte-level symbols of s, always the pair with the lowest
// rank, the leftmost of equals. Candidates wait in a heap over a linked list
// of symbols, so that a word of n bytes takes O(n log n).
func (t *Tokenizer) bpe(s string) []int64 {
	n := len(s)
	ids := make([]int64, n)
	for i := range n {
		ids[i] = t.inner[s[i]]
	}
	ids[n-1] = t.last[s[n-1]]

	// next[i] and prev[i] are the neighbours of the symbol that begins at
	// byte i; n and -1 are the ends. gone marks a symbol merged into another.
	next, prev, gone := make([]int, n), make([]int, n), make([]bool, n)
	for i := range n {
		next[i], prev[i] = i+1, i-1
	}
	mergeAt := func(i int) (merge, bool) {
		if i < 0 || gone[i] || next[i] == n || ids[i] == noID || ids[next[i]] == noID {
			return merge{}, false
		}
		m, ok := t.merges[pairKey(ids[i], ids[next[i]])]
		return m, ok
	}
	var heap minHeap
	offer := func(i int) {
		if m, ok := mergeAt(i); ok {
			heap.push(uint64(m.rank)<<32 | uint64(i))
		}
	}
	for i := range n {
		offer(i)
	}
	for len(heap) > 0 {
		top := heap.pop()
		i := int(top & (1<<32 - 1))
		// A candidate is stale when a merge beside it changed its pair.
		m, ok := mergeAt(i)
		if !ok || uint64(m.rank) != top>>32 {
			continue
		}
		right := next[i]
		ids[i], gone[right], next[i] = m.id, true, next[right]
		if next[i] < n {
			prev[next[i]] = i
		}
		offer(prev[i])
		offer(i)
	}
	return t.compact(ids, next)
}

// compact follows the list of what the merges left.
func (t *Tokenizer) compact(ids []int64, next []int) []int64 {
	var out []int64
	for i := 0; i < len(ids); i = next[i] {
		id := ids[i]
		if id == noID {
			id = t.unk
		}
		out = append(out, id)
	}
	return out
}

// minHeap is a binary heap; container/heap would allocate for every element.
type minHeap []uint64

func (h *minHeap) push(v uint64) {
	s := append(*h, v)
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if s[parent] <= s[i] {
			break
		}
		s[parent], s[i] = s[i], s[parent]
		i = parent
	}
	*h = s
}

func (h *minHeap) pop() uint64 {
	s := *h
	top, end := s[0], len(s)-1
	s[0] = s[end]
	s = s[:end]
	for i := 0; ; {
		child := 2*i + 1
		if child >= end {
			break
		}
		if child+1 < end && s[child+1] < s[child] {
			child++
		}
		if s[i] <= s[child] {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}

// wordCache remembers the tokens of short words.
type wordCache struct {
	mu    sync.RWMutex
	words map[string][]int64
}

func (c *wordCache) get(word string) ([]int64, bool) {
	if len(word) > maxCachedWord {
		return nil, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	ids, ok := c.words[word]
	return ids, ok
}

func (c *wordCache) put(word string, ids []int64) {
	if len(word) > maxCachedWord {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Starting over is enough: the words in use come back at once.
	if c.words == nil || len(c.words) >= maxCachedWords {
		c.words = make(map[string][]int64)
	}
	// A clone, because the word is a part of a text that should not stay.
	c.words[strings.Clone(word)] = ids
}
