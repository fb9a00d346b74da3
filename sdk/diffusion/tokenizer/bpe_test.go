package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// mergeByRescanning is byte-pair merging as it is usually stated: rescan the
// word for the lowest rank until nothing merges.
func mergeByRescanning(tok *Tokenizer, s string) []int64 {
	var ids []int64
	for i := range len(s) {
		ids = append(ids, tok.inner[s[i]])
	}
	ids[len(s)-1] = tok.last[s[len(s)-1]]
	for {
		best, at := merge{}, -1
		for i := range len(ids) - 1 {
			if m, ok := tok.merges[pairKey(ids[i], ids[i+1])]; ok && (at < 0 || m.rank < best.rank) {
				best, at = m, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, best.id)
	}
}

func TestHeapMergesLikeRescanning(t *testing.T) {
	tok := load(t, nil)
	text := "astronautbackgrounddramaticgreentrianglethethesquarequalityinging"
	for from := range len(text) {
		for to := from + 1; to <= len(text); to++ {
			got, want := tok.bpe(text[from:to]), mergeByRescanning(tok, text[from:to])
			if !slices.Equal(got, want) {
				t.Fatalf("%q: got %v, want %v", text[from:to], got, want)
			}
		}
	}
}

// Quadratic work on a word of a million letters would not end within the tests' time.
func TestEncodeOfOneVeryLongWordEnds(t *testing.T) {
	tok := load(t, nil)
	for _, size := range []int{10_000, 1_000_000} {
		if ids, _ := tok.Encode(strings.Repeat("thegreen", size/8)); len(ids) != tok.Length() {
			t.Errorf("%d ids, want %d", len(ids), tok.Length())
		}
	}
}

func TestCacheStaysBounded(t *testing.T) {
	tok := load(t, nil)
	for i := range maxCachedWords + 10 {
		tok.cache.put(fmt.Sprint(i), nil)
	}
	tok.cache.put(strings.Repeat("x", maxCachedWord+1), nil)
	if got := len(tok.cache.words); got != 10 {
		t.Errorf("%d words after the cache overflowed by 10", got)
	}
}

func BenchmarkEncodeLongWord(b *testing.B) {
	tok := load(b, nil)
	word := strings.Repeat("thegreen", 1250)
	for b.Loop() {
		tok.Encode(word)
	}
}
