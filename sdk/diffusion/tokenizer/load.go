package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	vocabFile    = "vocab.json"
	mergesFile   = "merges.txt"
	configFile   = "tokenizer_config.json"
	specialsFile = "special_tokens_map.json"

	// maxFile is well above any CLIP vocabulary, which takes about 1 MiB.
	maxFile = 16 << 20

	defaultLength = 77
	// noLimit is where model_max_length stops meaning a length: Hugging Face
	// writes 1e30 for a tokenizer without one.
	noLimit = 1e6

	defaultStart = "<|startoftext|>"
	defaultEnd   = "<|endoftext|>"
	endOfWord    = "</w>"
)

// Load reads a diffusers tokenizer folder: vocab.json, merges.txt, and, where
// present, tokenizer_config.json and special_tokens_map.json. As in Hugging
// Face's loader, the special tokens of special_tokens_map.json prevail unless
// tokenizer_config.json lists added_tokens_decoder. Every special token must
// be in the vocabulary, and so must every merge. Files above 16 MiB are
// refused.
func Load(dir string) (*Tokenizer, error) {
	vocab, err := readVocab(filepath.Join(dir, vocabFile))
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{small: len(vocab) < smallVocabulary}
	for _, id := range vocab {
		t.highest = max(t.highest, id)
	}
	t.setSymbols(vocab)
	if t.merges, err = readMerges(filepath.Join(dir, mergesFile), vocab); err != nil {
		return nil, err
	}
	tokens, err := t.configure(dir)
	if err != nil {
		return nil, err
	}
	if err := t.setSpecials(vocab, tokens); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", filepath.Join(dir, vocabFile), err)
	}
	return t, nil
}

// tokenText is a special token as the configuration writes it: a string, or
// an object with its content.
type tokenText string

// UnmarshalJSON accepts both forms; null leaves the token as it was.
func (t *tokenText) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var object struct {
		Content *string `json:"content"`
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		object.Content = &text
	} else if err := json.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("a special token is neither a string nor an object with a content: %w", err)
	}
	if object.Content == nil || *object.Content == "" {
		return errors.New("a special token has no content")
	}
	*t = tokenText(*object.Content)
	return nil
}

// specialTokens are the tokens that CLIP's tokenizer names.
type specialTokens struct {
	Start   tokenText `json:"bos_token"`
	End     tokenText `json:"eos_token"`
	Unknown tokenText `json:"unk_token"`
	Pad     tokenText `json:"pad_token"`
}

// configure reads the two optional files. It sets the length and returns the
// texts of the special tokens.
func (t *Tokenizer) configure(dir string) (specialTokens, error) {
	config := struct {
		specialTokens
		Length *float64        `json:"model_max_length"`
		Added  json.RawMessage `json:"added_tokens_decoder"`
	}{specialTokens: specialTokens{Start: defaultStart, End: defaultEnd, Unknown: defaultEnd, Pad: defaultEnd}}

	path := filepath.Join(dir, configFile)
	if err := readJSON(path, &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return specialTokens{}, err
	}
	t.length = defaultLength
	if l := config.Length; l != nil && *l <= noLimit {
		if *l < 2 || *l != math.Trunc(*l) {
			return specialTokens{}, fmt.Errorf("tokenizer: %s: model_max_length is %v, not a whole number of at least 2", path, *l)
		}
		t.length = int(*l)
	}
	if len(config.Added) == 0 {
		err := readJSON(filepath.Join(dir, specialsFile), &config.specialTokens)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return specialTokens{}, err
		}
	}
	return config.specialTokens, nil
}

// setSpecials looks the special tokens up.
func (t *Tokenizer) setSpecials(vocab map[string]int64, tokens specialTokens) error {
	for _, s := range []struct {
		role string
		text tokenText
		id   *int64
	}{
		{"start", tokens.Start, &t.start},
		{"end", tokens.End, &t.end},
		{"unknown", tokens.Unknown, &t.unk},
		{"pad", tokens.Pad, &t.pad},
	} {
		id, ok := vocab[string(s.text)]
		if !ok {
			return fmt.Errorf("the vocabulary lacks the %s token %q", s.role, s.text)
		}
		*s.id = id
		t.specials = append(t.specials, special{string(s.text), id})
	}
	// The longest first, so that a token wins over its own beginning.
	slices.SortFunc(t.specials, func(a, b special) int { return cmp.Compare(len(b.text), len(a.text)) })
	return nil
}

// setSymbols looks up the symbols of all bytes. The vocabulary writes a byte
// as a printable character: itself, or, for the others in turn, one from
// U+0100 on.
func (t *Tokenizer) setSymbols(vocab map[string]int64) {
	lookUp := func(symbol string) int64 {
		id, ok := vocab[symbol]
		if !ok {
			return noID
		}
		return id
	}
	stand := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE) {
			r = stand
			stand++
		}
		t.inner[b] = lookUp(string(r))
		t.last[b] = lookUp(string(r) + endOfWord)
	}
}

func readVocab(path string) (map[string]int64, error) {
	var vocab map[string]int64
	if err := readJSON(path, &vocab); err != nil {
		return nil, err
	}
	seen := make(map[int64]bool, len(vocab))
	for token, id := range vocab {
		if id < 0 || id > math.MaxInt32 {
			return nil, fmt.Errorf("tokenizer: %s: token %q has the id %d, which is out of range", path, token, id)
		}
		if seen[id] {
			return nil, fmt.Errorf("tokenizer: %s: the id %d belongs to several tokens", path, id)
		}
		seen[id] = true
	}
	return vocab, nil
}

// readMerges reads one merge a line, the earliest first.
func readMerges(path string, vocab map[string]int64) (map[uint64]merge, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	merges := make(map[uint64]merge)
	number, rank := 0, uint32(0)
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || number == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return nil, fmt.Errorf("tokenizer: %s: line %d is not two symbols with a space between", path, number)
		}
		var ids [3]int64
		for i, token := range []string{left, right, left + right} {
			if ids[i], ok = vocab[token]; !ok {
				return nil, fmt.Errorf("tokenizer: %s: line %d: the vocabulary lacks %q", path, number, token)
			}
		}
		merges[pairKey(ids[0], ids[1])] = merge{rank: rank, id: ids[2]}
		rank++
	}
	return merges, nil
}

func readJSON(path string, into any) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return nil
}

// readFile reads a file of at most maxFile bytes. Its errors name the path.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("tokenizer: %s: larger than %d MiB", path, maxFile>>20)
	}
	return data, nil
}
