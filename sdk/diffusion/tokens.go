package diffusion

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vision19/vision/sdk/diffusion/tokenizer"
)

// loadTokenizers loads the tokenizers and compares each with its text encoder, which may have been exported with another.
func (m *Model) loadTokenizers() error {
	encoders := m.family.prompt
	if m.family.prior {
		encoders = []promptEncoder{{tokenizer: priorTokenizer, folder: "prior_text_encoder"}}
	}
	m.tokenizers = map[string]*tokenizer.Tokenizer{}
	var errs []error
	for _, e := range encoders {
		t, err := tokenizer.Load(filepath.Join(m.Dir, e.tokenizer))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m.tokenizers[e.tokenizer] = t
		errs = append(errs, m.checkTokens(e, t))
	}
	return errors.Join(errs...)
}

func (m *Model) checkTokens(e promptEncoder, t *tokenizer.Tokenizer) error {
	var config struct {
		Vocabulary int64 `json:"vocab_size"`
		Positions  int   `json:"max_position_embeddings"`
	}
	if err := m.optional(e.folder+"/config.json", &config); err != nil {
		return err
	}
	if config.Vocabulary > 0 && t.Highest() >= config.Vocabulary {
		return fmt.Errorf("%s has the token %d, %s/config.json a vocab_size of %d: they are of different models", filepath.Join(m.Dir, e.tokenizer, "vocab.json"), t.Highest(), e.folder, config.Vocabulary)
	}
	length := t.Length()
	ids, _ := m.Graphs[e.folder].Input("input_ids")
	n, fixed := ids.Fixed(1)
	if config.Positions > 0 && length > config.Positions || fixed && int(n) != length {
		return fmt.Errorf("%s: model_max_length is %d, the text encoder reads %d tokens", filepath.Join(m.Dir, e.tokenizer, "tokenizer_config.json"), length, max(int(n), config.Positions))
	}
	return nil
}
