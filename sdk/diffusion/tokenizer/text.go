package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// pieceKind is the branch of CLIP's split pattern that a piece matched.
type pieceKind uint8

const (
	kindLetters pieceKind = iota
	kindNumber
	kindOther
)

// piece is one match of CLIP's split pattern, as byte offsets.
type piece struct {
	start, end int
	kind       pieceKind
}

// contractions come before the general branches in CLIP's pattern. None is
// the beginning of another, so their order does not matter.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// normalize applies normal form C, whitespace to spaces, and lower case.
// Runs of spaces need no collapsing: the split pattern drops them anyway.
func normalize(s string) string {
	s = strings.Map(func(r rune) rune {
		if isSpace(r) {
			return ' '
		}
		return r
	}, norm.NFC.String(s))
	return lower(s)
}

// isSpace follows \s of ECMAScript, see the package comment.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
		return true
	}
	return r >= 0x2000 && r <= 0x200A
}

// lower is full lower-casing. The standard library maps rune by rune, which
// misses the two cases that Unicode's SpecialCasing adds for every language.
func lower(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			if finalSigma(s, i) {
				b.WriteRune('ς')
			} else {
				b.WriteRune('σ')
			}
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// finalSigma is Unicode's Final_Sigma condition for the sigma at byte i.
// Both scans stop at the next cased letter, and a sigma is one, so all the
// scans of a text together stay linear.
func finalSigma(s string, i int) bool {
	before := false
	for head := s[:i]; head != ""; {
		r, n := utf8.DecodeLastRuneInString(head)
		head = head[:len(head)-n]
		if !caseIgnorable(r) {
			before = cased(r)
			break
		}
	}
	if !before {
		return false
	}
	for _, r := range s[i+len("Σ"):] {
		if !caseIgnorable(r) {
			return !cased(r)
		}
	}
	return true
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is Unicode's Case_Ignorable. The listed runes are those that
// may stand inside a word by its word-break rules.
func caseIgnorable(r rune) bool {
	return strings.ContainsRune("'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A", r) ||
		unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

// nextPiece finds the first match at or after from of CLIP's split pattern,
//
//	's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
//
// in normalised text. Special tokens are taken out before.
func nextPiece(s string, from int) (piece, bool) {
	for from < len(s) && s[from] == ' ' {
		from++
	}
	if from == len(s) {
		return piece{}, false
	}
	for _, c := range contractions {
		if strings.HasPrefix(s[from:], c) {
			return piece{from, from + len(c), kindOther}, true
		}
	}
	r, n := utf8.DecodeRuneInString(s[from:])
	switch {
	case unicode.IsNumber(r):
		return piece{from, from + n, kindNumber}, true
	case unicode.IsLetter(r):
		return piece{from, runEnd(s, from, unicode.IsLetter), kindLetters}, true
	default:
		return piece{from, runEnd(s, from, isOther), kindOther}, true
	}
}

func isOther(r rune) bool {
	return r != ' ' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

// runEnd returns where the run of runes that satisfy in ends.
func runEnd(s string, from int, in func(rune) bool) int {
	n := strings.IndexFunc(s[from:], func(r rune) bool { return !in(r) })
	if n < 0 {
		return len(s)
	}
	return from + n
}
