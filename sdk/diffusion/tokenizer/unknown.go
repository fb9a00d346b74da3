package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// minUnknown is the fewest letters and digits of a word worth a warning:
// shorter ones are abbreviations and units more often than lacking words.
const minUnknown = 3

// wordReport collects the words of a text that the vocabulary lacks. A word
// can span several pieces, because the split pattern parts letters from the
// combining marks that many scripts write their vowels with.
type wordReport struct {
	small   bool // the vocabulary is small
	unknown []string

	text       string
	start, end int
	letters    int // letters and digits so far
	tokens     int
	broken     bool // some piece took more than one token
}

// begin starts a new text; words do not continue across texts.
func (w *wordReport) begin(text string) {
	w.text = text
	w.reset(0)
}

func (w *wordReport) reset(at int) {
	w.start, w.end = at, at
	w.letters, w.tokens, w.broken = 0, 0, false
}

// add takes the next piece of the text and its tokens.
func (w *wordReport) add(p piece, ids []int64) {
	if p.start != w.end {
		w.flush()
		w.reset(p.start)
	}
	body := w.text[p.start:p.end]
	if p.kind == kindOther {
		// The piece can hold punctuation after the marks, so its tokens say
		// nothing about the word; where it does, the next piece no longer
		// adjoins the word and so ends it.
		if w.letters > 0 {
			w.end = runEnd(w.text[:p.end], p.start, unicode.IsMark)
		}
		return
	}
	w.letters += utf8.RuneCountInString(body)
	w.broken = w.broken || len(ids) > 1
	w.tokens += len(ids)
	w.end = p.end
}

// smallVocabulary is the number of tokens below which a model knows whole words only. CLIP's has 49408, which spell most words in pieces
// that mean something.
const smallVocabulary = 10_000

// flush ends the word in progress and notes it if the vocabulary lacks it: it is in pieces, and, in a large vocabulary, in pieces shorter than
// one letter and a half on the average.
func (w *wordReport) flush() {
	word := w.text[w.start:w.end]
	lacking := w.letters >= minUnknown && w.broken && (w.small || 3*w.tokens > 2*w.letters)
	if lacking && len(w.unknown) < maxUnknown && !slices.Contains(w.unknown, word) {
		w.unknown = append(w.unknown, word)
	}
	w.reset(w.end)
}
