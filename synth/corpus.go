package synth

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:generate go run corpus/generate.go

// Corpus is what prompts are made of: an order-2 Markov chain over its captions. It does not change: any number of goroutines may use it at once.
type Corpus struct {
	next     map[pair][]string // the words that follow two, as often as they do
	starts   []pair
	captions map[string]bool
}

// pair is two words that follow each other; the second is "" in a caption of one word.
type pair [2]string

// The bounds of a corpus. A chain takes about ten times the text's size in memory; a line is a caption, not a document.
const (
	MaxCorpus  = 64 << 20 // bytes
	MaxCaption = 2000     // bytes of a line
	minWords   = 3        // of a caption that the chain learns from: fewer say nothing of what follows what
)

// ErrCorpus is what ReadCorpus finds wrong.
var ErrCorpus = errors.New("no corpus of captions")

// ReadCorpus reads a text in UTF-8 with a caption a line. Empty lines are skipped. The error is ErrCorpus, and names the line.
func ReadCorpus(r io.Reader) (*Corpus, error) {
	limited := &io.LimitedReader{R: r, N: MaxCorpus + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, MaxCaption+1)
	c := &Corpus{next: map[pair][]string{}, captions: map[string]bool{}}
	n := 0
	for lines.Scan() {
		n++
		text := lines.Text()
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("%w: line %d is not UTF-8", ErrCorpus, n)
		}
		c.learn(strings.Fields(text))
	}
	switch err := lines.Err(); {
	case limited.N <= 0:
		return nil, fmt.Errorf("%w: it is larger than %d MiB", ErrCorpus, MaxCorpus>>20)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: line %d has more than %d bytes; write one caption a line", ErrCorpus, n+1, MaxCaption)
	case err != nil:
		return nil, fmt.Errorf("%w: line %d: %w", ErrCorpus, n+1, err)
	case len(c.starts) == 0:
		return nil, fmt.Errorf("%w: no line has %d words or more", ErrCorpus, minWords)
	}
	return c, nil
}

// learn adds a caption to the chain.
func (c *Corpus) learn(words []string) {
	text := strings.Join(words, " ")
	if len(words) < minWords || c.captions[text] {
		return
	}
	c.captions[text] = true
	c.starts = append(c.starts, pair{words[0], words[1]})
	for i := 2; i <= len(words); i++ {
		p, follows := pair{words[i-2], words[i-1]}, "" // the end
		if i < len(words) {
			follows = words[i]
		}
		c.next[p] = append(c.next[p], follows)
	}
}

//go:embed corpus/captions.txt.gz
var bundled []byte

// Bundled is the corpus that comes with the program; its captions are our own.
var Bundled = sync.OnceValue(func() *Corpus {
	z, err := gzip.NewReader(bytes.NewReader(bundled))
	if err != nil {
		panic(err) // what is embedded is tested
	}
	c, err := ReadCorpus(z)
	if err != nil {
		panic(err)
	}
	return c
})

// The lengths of prompts. CLIP's text encoders read 77 tokens, which is about 60 words; the original made 80 characters, later 20 words.
const (
	maxPromptWords = 40
	maxPrompt      = 300 // characters
)

// tries is how often a chain is begun anew that repeats a caption of the corpus, or is too long.
const tries = 20

// Prompt draws a text of at most limit characters, 300 at most, that is hardly ever a caption of the corpus: of many tries the first that is new, or
// two parts of captions put together.
func (c *Corpus) Prompt(rng *rand.Rand, limit int) string {
	limit = min(limit, maxPrompt)
	short := ""
	for range tries {
		text := c.walk(rng)
		if utf8.RuneCountInString(text) > limit {
			continue
		}
		if !c.captions[text] {
			return text
		}
		short = text
	}
	// A small corpus knows one way on from most words. Two of its captions make a text that it does not have.
	if both := c.walk(rng) + ", " + c.walk(rng); utf8.RuneCountInString(both) <= limit {
		return both
	}
	if short != "" {
		return short
	}
	return clip(c.walk(rng), limit)
}

// walk follows the chain from a beginning to an end.
func (c *Corpus) walk(rng *rand.Rand) string {
	p := c.starts[rng.IntN(len(c.starts))]
	words := []string{p[0], p[1]}
	for len(words) < maxPromptWords {
		options := c.next[p]
		word := options[rng.IntN(len(options))]
		if word == "" {
			break
		}
		words = append(words, word)
		p = pair{p[1], word}
	}
	return strings.Join(words, " ")
}

// clip is the beginning of a text, of at most limit characters, and of whole words where there are some.
func clip(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	text = string(runes[:max(limit, 0)])
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		text = text[:i]
	}
	return text
}
