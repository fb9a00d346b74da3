package synth

import (
	"errors"
	"testing"

	"github.com/vision19/vision/sdk"
)

// A plugin is foreign, and so is its description: whatever passes Check gets a request that it allows, or ErrDescription.
func FuzzRequest(f *testing.F) {
	embedding := sdk.Description{Endpoint: "e", OneOf: []string{"a", "b"}, Inputs: []sdk.Input{{Name: "a", Kind: sdk.ImageInput, MaxCount: 64}, {Name: "b", Kind: sdk.TextInput}}, Output: sdk.Output{Kind: sdk.EmbeddingOutput}}
	for _, d := range []sdk.Description{described(), embedding} {
		data, err := d.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var d sdk.Description
		if d.UnmarshalBinary(data) != nil || d.Check() != nil || len(d.Inputs) > 4 {
			return
		}
		for i := range d.Inputs { // large pictures only take time
			d.Inputs[i].MaxPixels = min(d.Inputs[i].PixelLimit(), 32*32)
		}
		r, err := Generator{}.Request(t.Context(), d, random(seed))
		if errors.Is(err, ErrDescription) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if _, err := d.CheckRequest(r, r.Values); err != nil {
			t.Error(err)
		}
		if _, err := Guard(d, r, Seeds{First: 1, Last: 9}, random(seed)); err != nil {
			t.Error(err)
		}
	})
}
