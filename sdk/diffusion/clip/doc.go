// Package clip embeds pictures and texts with CLIP models (Radford et al., "Learning Transferable Visual Models From Natural Language
// Supervision", 2021) exported to ONNX, and runs the safety checker that Stable Diffusion folders hold, which is a CLIP picture tower with
// concepts to stay away from. Preprocessing, names and layouts are those of the transformers and diffusers libraries.
package clip

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/onnx"
)

// maxConfig bounds a JSON file of a model folder; the largest published ones have some KiB.
const maxConfig = 1 << 20

// readConfig reads a JSON file of a model folder. Its errors name the path.
func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s: a configuration has at most %d bytes", path, maxConfig)
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("%s is no JSON", path)
	}
	return data, nil
}

// typed gives the runtime's errors the codes that callers decide by.
func typed(err error) error {
	if errors.Is(err, onnx.ErrOutOfMemory) {
		return sdk.NewError(sdk.CodeOutOfMemory, err.Error(), err)
	}
	return err
}
