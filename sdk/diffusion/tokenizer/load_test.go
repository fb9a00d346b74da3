package tokenizer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadReadsLengthAndPadFromTheOptionalFiles(t *testing.T) {
	const listed = `"added_tokens_decoder": {}`
	for _, c := range []struct {
		name   string
		files  map[string]string
		length int
		pad    int64
	}{
		{"neither file", nil, 77, 754},
		{"a length", map[string]string{configFile: `{"model_max_length": 40}`}, 40, 754},
		{"no limit as Hugging Face writes it", map[string]string{configFile: `{"model_max_length": 1000000000000000019884624838656}`}, 77, 754},
		{"a null length", map[string]string{configFile: `{"model_max_length": null}`}, 77, 754},
		{"a pad string", map[string]string{configFile: `{"pad_token": "!"}`}, 77, 0},
		{"a pad object", map[string]string{configFile: `{"pad_token": {"content": "!", "lstrip": false}}`}, 77, 0},
		{"a null pad", map[string]string{configFile: `{"pad_token": null}`}, 77, 754},
		{"the map alone", map[string]string{specialsFile: `{"pad_token": "!"}`}, 77, 0},
		{"the map prevails", map[string]string{configFile: `{"pad_token": "<|endoftext|>"}`, specialsFile: `{"pad_token": "!"}`}, 77, 0},
		{"a configuration with all tokens prevails", map[string]string{configFile: `{` + listed + `}`, specialsFile: `{"pad_token": "!"}`}, 77, 754},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := load(t, c.files)
			ids, _ := tok.Encode("x")
			if tok.Length() != c.length || len(ids) != c.length {
				t.Errorf("length %d with %d ids, want %d", tok.Length(), len(ids), c.length)
			}
			if tok.Start() != 753 || tok.End() != 754 || tok.Pad() != c.pad || ids[len(ids)-1] != c.pad {
				t.Errorf("start %d, end %d, pad %d, want 753, 754, %d", tok.Start(), tok.End(), tok.Pad(), c.pad)
			}
		})
	}
}

func TestAPadTokenInTextIsRecognised(t *testing.T) {
	tok := load(t, map[string]string{specialsFile: `{"pad_token": "!"}`})
	ids, _ := tok.Encode("x!")
	if ids[1] != 343 || ids[2] != 0 || ids[3] != tok.End() {
		t.Errorf("got %v, want x, the pad token and the end", ids[:4])
	}
}

func TestSymbolsMissingFromTheVocabularyBecomeTheUnknownToken(t *testing.T) {
	tok := load(t, map[string]string{
		vocabFile:  `{"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4, "<unk>": 5}`,
		mergesFile: "a b</w>\n",
		configFile: `{"unk_token": "<unk>", "model_max_length": 8}`,
	})
	ids, unknown := tok.Encode("ab cab ca")
	want := []int64{3, 2, 5, 2, 5, 5, 4, 4}
	for i := range want {
		if ids[i] != want[i] {
			t.Fatalf("got %v, want %v", ids, want)
		}
	}
	if len(unknown) != 1 || unknown[0] != "cab" {
		t.Errorf("unknown words %q, want cab", unknown)
	}
}

func TestLoadRefusesBadFolders(t *testing.T) {
	for _, c := range []struct {
		name, file, content, want string
	}{
		{"no vocabulary", vocabFile, "", "no such file"},
		{"no merges", mergesFile, "", "no such file"},
		{"a vocabulary that is no JSON", vocabFile, "{", "unexpected end"},
		{"a vocabulary of another shape", vocabFile, `["a"]`, "cannot unmarshal"},
		{"a negative id", vocabFile, `{"a": -1}`, "out of range"},
		{"an id twice", vocabFile, `{"a": 1, "b": 1}`, "several tokens"},
		{"a merge of three symbols", mergesFile, "#version: 0.2\na b c\n", "line 2 is not two symbols"},
		{"a merge outside the vocabulary", mergesFile, "#version: 0.2\nq zz\n", `line 2: the vocabulary lacks "zz"`},
		{"a configuration that is no JSON", configFile, "{]", "invalid character"},
		{"a length without room", configFile, `{"model_max_length": 1}`, "model_max_length is 1"},
		{"a length that is not whole", configFile, `{"model_max_length": 7.5}`, "model_max_length is 7.5"},
		{"a pad token of another type", configFile, `{"pad_token": 3}`, "neither a string nor an object"},
		{"a pad token without content", specialsFile, `{"pad_token": {}}`, "no content"},
		{"a file that is too large", mergesFile, strings.Repeat("a", maxFile+1), "larger than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, map[string]string{c.file: c.content})
			tok, err := Load(dir)
			if err == nil || tok != nil {
				t.Fatalf("got %v and the error %v", tok, err)
			}
			if msg := err.Error(); !strings.Contains(msg, filepath.Join(dir, c.file)) || !strings.Contains(msg, c.want) {
				t.Errorf("%q does not name %s and %q", msg, c.file, c.want)
			}
			if c.content == "" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not wrap fs.ErrNotExist", err)
			}
		})
	}
}

func TestLoadRefusesAVocabularyWithoutItsSpecialTokens(t *testing.T) {
	full, err := os.ReadFile(filepath.Join("testdata", "clip", vocabFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, token, config, want string }{
		{"no end token", "<|endoftext|>", "{}", `lacks the end token "<|endoftext|>"`},
		{"no start token", "<|startoftext|>", "{}", `lacks the start token "<|startoftext|>"`},
		{"no pad token", "", `{"pad_token": "[PAD]"}`, `lacks the pad token "[PAD]"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			vocab := string(full)
			if c.token != "" {
				vocab = strings.Replace(vocab, c.token, "renamed", 1)
			}
			_, err := Load(folder(t, map[string]string{vocabFile: vocab, configFile: c.config}))
			if err == nil || !strings.Contains(err.Error(), vocabFile) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
