// Package tokenizer turns text into the token ids of CLIP's text encoders with
// CLIP's byte-pair tokenizer, as the pipelines of the diffusers library do.
//
// Where the slow (Python) and the fast tokenizers of Hugging Face differ, this
// package follows the published fast pipeline: Unicode normal form C, runs of
// whitespace to one space, lower case, CLIP's split pattern, byte-level
// symbols, and merges with the end-of-word mark "</w>". So CJK characters are
// not set apart, control and zero-width characters are kept as symbols, and
// special tokens count only when spelled exactly.
//
// Two choices within the fast pipeline follow its JavaScript implementation,
// against which the package is tested: whitespace is what ECMAScript calls so
// (U+FEFF is, U+0085 is not), and a Greek capital sigma at the end of a word
// becomes a final sigma.
//
// Normalisation adds a U+034F after every 30 combining marks in a row, as the
// stream-safe text format asks; only text that stacks more differs by it.
package tokenizer

import "strings"

// maxUnknown keeps a prompt in a script that the vocabulary lacks from
// flooding the warnings.
const maxUnknown = 16

// Tokenizer encodes text for one CLIP vocabulary. It is safe for concurrent
// use.
type Tokenizer struct {
	length   int
	start    int64
	end      int64
	pad      int64
	unk      int64
	highest  int64
	specials []special
	merges   map[uint64]merge
	// inner and last hold the ids of the symbols of each byte, inside a word
	// and at its end; noID where the vocabulary lacks one.
	inner [256]int64
	last  [256]int64
	// symbols tells which ids are single byte-level symbols.
	small bool // fewer than smallVocabulary tokens
	cache wordCache
}

// special is a token that text can name literally.
type special struct {
	text string
	id   int64
}

// Encode returns the ids of text: the start token, the tokens, and the end
// token, cut to Length with the end token kept last, then padded with the pad
// token to Length. This is what Hugging Face's tokenizers give with
// padding="max_length" and truncation=True. Bytes that are not UTF-8 count as
// U+FFFD. The start, end, unknown and pad tokens are recognised where text
// spells them exactly; a vocabulary whose pad token is "!" therefore encodes
// every "!" as padding, as Hugging Face's does.
//
// The second result names words that the vocabulary lacks, for warnings: runs
// of letters, digits and combining marks, normalised and in lower case, with 3
// or more letters and digits, that came out as nothing but single byte-level
// symbols. Digits and lone letters are always symbols of their own, so a word
// counts only if some part of it was broken up. Words are named once, in the
// order of the text, at most 16, and only where they lie before the cut.
func (t *Tokenizer) Encode(text string) (ids []int64, unknown []string) {
	room := t.length - 2
	words := &wordReport{small: t.small}
	tokens := t.tokens(text, room, words)
	tokens = tokens[:min(len(tokens), room)]

	ids = make([]int64, 0, t.length)
	ids = append(ids, t.start)
	ids = append(ids, tokens...)
	ids = append(ids, t.end)
	for len(ids) < t.length {
		ids = append(ids, t.pad)
	}
	return ids, words.unknown
}

// Truncated reports whether Encode has to leave tokens of text out.
func (t *Tokenizer) Truncated(text string) bool {
	room := t.length - 2
	return len(t.tokens(text, room+1, &wordReport{small: t.small})) > room
}

// Length is the number of ids that Encode returns: model_max_length of the
// tokenizer's configuration, 77 where that is absent or stands for no limit.
func (t *Tokenizer) Length() int { return t.length }

// Start is the id that opens every encoded text.
func (t *Tokenizer) Start() int64 { return t.start }

// End is the id that closes every encoded text.
func (t *Tokenizer) End() int64 { return t.end }

// Highest is the highest id of the vocabulary: a text encoder has an embedding of each.
func (t *Tokenizer) Highest() int64 { return t.highest }

// Pad is the id that fills an encoded text up to Length.
func (t *Tokenizer) Pad() int64 { return t.pad }

// tokens encodes text without start, end and padding. It stops once it has
// limit tokens, so that the time for a long text does not grow with the part
// that is cut; the last word may carry it past limit.
func (t *Tokenizer) tokens(text string, limit int, words *wordReport) []int64 {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var ids []int64
	for text != "" && len(ids) < limit {
		at, found := t.nextSpecial(text)
		ids = t.section(ids, normalize(text[:at]), limit, words)
		if found.text != "" {
			ids = append(ids, found.id)
		}
		text = text[at+len(found.text):]
	}
	return ids
}

// section appends the tokens of normalised text without special tokens.
func (t *Tokenizer) section(ids []int64, text string, limit int, words *wordReport) []int64 {
	words.begin(text)
	for p, ok := nextPiece(text, 0); ok; p, ok = nextPiece(text, p.end) {
		if len(ids) >= limit {
			// The pending word may go on past the cut.
			return ids
		}
		pieceIDs := t.word(text[p.start:p.end])
		words.add(p, pieceIDs)
		ids = append(ids, pieceIDs...)
	}
	words.flush()
	return ids
}

// nextSpecial finds the first special token in text, the longest where several
// begin at one place. Without any it returns the length of text.
func (t *Tokenizer) nextSpecial(text string) (int, special) {
	for i := range len(text) {
		for _, s := range t.specials {
			if strings.HasPrefix(text[i:], s.text) {
				return i, s
			}
		}
	}
	return len(text), special{}
}
