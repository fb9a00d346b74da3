package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// goldenCase is one text with the ids of the reference implementations, see
// testdata/README.md.
type goldenCase struct {
	Text    string  `json:"text"`
	Slow    []int64 `json:"slow_ids"`
	Fast    []int64 `json:"fast_ids"`
	Same    bool    `json:"same"`
	Slow16  []int64 `json:"slow_ids_16"`
	Slow77  []int64 `json:"slow_ids_77_prefix"`
	Count77 int     `json:"slow_attention_77"`
}

func readGolden(t testing.TB) []goldenCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []goldenCase `json:"cases"`
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 44 {
		t.Fatalf("%d golden cases, want 44", len(golden.Cases))
	}
	return golden.Cases
}

// folder makes a copy of the test vocabulary with the given files written
// over it; an empty content removes the file.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clip"))); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		// Written first, so that a file the vocabulary lacks can be removed too.
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if content != "" {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, files map[string]string) *Tokenizer {
	t.Helper()
	tok, err := Load(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// loadLength loads the test vocabulary with a model_max_length.
func loadLength(t testing.TB, length int) *Tokenizer {
	t.Helper()
	return load(t, map[string]string{configFile: fmt.Sprintf(`{"model_max_length": %d}`, length)})
}

func padded(ids []int64, pad int64, length int) []int64 {
	ids = slices.Clone(ids)
	for len(ids) < length {
		ids = append(ids, pad)
	}
	return ids
}

func TestEncodeEqualsThePublishedFastPipeline(t *testing.T) {
	const roomy = 256
	tok := loadLength(t, roomy)
	for _, c := range readGolden(t) {
		if c.Same && !slices.Equal(c.Slow, c.Fast) {
			t.Errorf("%q: golden ids called the same differ", c.Text)
		}
		ids, _ := tok.Encode(c.Text)
		if want := padded(c.Fast, tok.Pad(), roomy); !slices.Equal(ids, want) {
			t.Errorf("%q\n got %v\nwant %v", c.Text, ids, want)
		}
	}
}

func TestEncodeCutsAndPadsLikeHuggingFace(t *testing.T) {
	short, usual := loadLength(t, 16), load(t, nil)
	compared := 0
	for _, c := range readGolden(t) {
		if !c.Same {
			continue
		}
		compared++
		if ids, _ := short.Encode(c.Text); !slices.Equal(ids, c.Slow16) {
			t.Errorf("%q at 16\n got %v\nwant %v", c.Text, ids, c.Slow16)
		}
		want := padded(c.Slow77, usual.Pad(), 77)
		if ids, _ := usual.Encode(c.Text); len(c.Slow77) != c.Count77 || !slices.Equal(ids, want) {
			t.Errorf("%q at 77\n got %v\nwant %v", c.Text, ids, want)
		}
		if got, want := short.Truncated(c.Text), len(c.Fast) > 16; got != want {
			t.Errorf("Truncated(%q) at 16 is %v, want %v", c.Text, got, want)
		}
		if got, want := usual.Truncated(c.Text), len(c.Fast) > 77; got != want {
			t.Errorf("Truncated(%q) at 77 is %v, want %v", c.Text, got, want)
		}
	}
	if compared != 37 {
		t.Errorf("compared %d cases, want 37", compared)
	}
}

func TestTruncatedBeginsOneTokenPastTheRoom(t *testing.T) {
	tok := load(t, nil)
	for _, c := range []struct {
		words int
		want  bool
	}{{0, false}, {74, false}, {75, false}, {76, true}, {500, true}} {
		if got := tok.Truncated(strings.Repeat("the ", c.words)); got != c.want {
			t.Errorf("%d words: %v, want %v", c.words, got, c.want)
		}
	}
}

func TestEncodeNamesWordsTheVocabularyLacks(t *testing.T) {
	tok := load(t, nil)
	var many strings.Builder
	for i := range 20 {
		fmt.Fprintf(&many, "qx%cx ", 'a'+i)
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"known words", "red circle, a blue square", nil},
		{"a word of symbols alone, in lower case", "a QXZX circle", []string{"qxzx"}},
		{"a word in pieces", "a unicorn", []string{"unicorn"}},
		{"a word named once", "qxzx qxzx, QxZx", []string{"qxzx"}},
		{"two letters are too few", "qx", nil},
		{"digits are always symbols", "2024 1080p", nil},
		{"letters broken up beside digits", "qx9", []string{"qx9"}},
		{"no letters", "😀🎉 ...", nil},
		{"a script without tokens", "漢字カナ", []string{"漢字カナ"}},
		{"combining marks stay in their word", "हिन्दी!", []string{"हिन्दी"}},
		{"marks before punctuation end the word", "हिन्दी,abc", []string{"हिन्दी", "abc"}},
		{"special tokens are known", "<|endoftext|>", nil},
		{"words past the cut are left out", strings.Repeat("the ", 80) + "qxzx", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := tok.Encode(c.text); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if _, got := loadLength(t, 256).Encode(many.String()); len(got) != maxUnknown {
		t.Errorf("%d words named, want %d", len(got), maxUnknown)
	}
}

func TestNormalizeAppliesFullLowerCasing(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"İI", "i\u0307i"},
		{"ΣΟΦΟΣ", "σοφος"},
		{"Σ", "σ"},
		{"ΑΣ' Α'Σ", "ας' α'ς"},
		{"ΑΣ'Α", "ασ'α"},
		{"ΑΣ\uFEFFΑ", "ας α"},
		{"A\u0301\tB\u3000C", "á b c"},
	} {
		if got := normalize(c.text); got != c.want {
			t.Errorf("normalize(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestEncodeTakesBytesThatAreNotUTF8AsReplacement(t *testing.T) {
	tok := load(t, nil)
	got, _ := tok.Encode("a\xffb")
	want, _ := tok.Encode("a\uFFFDb")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEncodeIsSafeForConcurrentUse(t *testing.T) {
	tok := loadLength(t, 256)
	golden := readGolden(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, c := range golden {
				if ids, _ := tok.Encode(c.Text); !slices.Equal(ids[:len(c.Fast)], c.Fast) {
					t.Errorf("%q: wrong ids", c.Text)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzEncode(f *testing.F) {
	for _, c := range readGolden(f) {
		f.Add(c.Text)
	}
	f.Add("\xff\xfe<|endoftext|><|endoftext|")
	f.Add("Σ\u0301'ΣΑ\u0345")
	tok, short := load(f, nil), loadLength(f, 2)
	f.Fuzz(func(t *testing.T, text string) {
		ids, unknown := tok.Encode(text)
		if len(ids) != tok.Length() || ids[0] != tok.Start() || len(unknown) > maxUnknown {
			t.Fatalf("%d ids from %d, %d unknown words", len(ids), ids[0], len(unknown))
		}
		for _, id := range ids {
			if id < 0 || id > 754 {
				t.Fatalf("id %d is not in the vocabulary", id)
			}
		}
		if tok.Truncated(text) && ids[len(ids)-1] != tok.End() {
			t.Fatal("a cut text does not close with the end token")
		}
		if ids, _ := short.Encode(text); !slices.Equal(ids, []int64{short.Start(), short.End()}) {
			t.Fatalf("at length 2: %v", ids)
		}
	})
}
