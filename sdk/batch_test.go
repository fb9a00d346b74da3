package sdk

import (
	"errors"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/schema"
)

func TestCheck_of_a_description_bounds_batches(t *testing.T) {
	for name, c := range map[string]struct {
		max  int
		key  []string
		want string // in the error; "" for none
	}{
		"none":           {0, nil, ""},
		"most":           {MaxBatchLimit, []string{"steps", "image", "mask"}, ""},
		"negative":       {-1, nil, "max_batch is -1: from 0 to 64"},
		"too many":       {MaxBatchLimit + 1, nil, "max_batch is 65: from 0 to 64"},
		"unknown":        {2, []string{"stepz"}, `batch_key names "stepz", which is neither`},
		"a text's sizes": {2, []string{"prompt"}, `batch_key names "prompt", which is neither`},
		"both at once":   {99, []string{""}, `batch_key names ""`},
	} {
		t.Run(name, func(t *testing.T) {
			d := inpainting()
			d.Capabilities.MaxBatch, d.Capabilities.BatchKey = c.max, c.key
			err := d.Check()
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrInvalidInput) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestBatchKeyOf_tells_requests_apart_by_what_the_key_names(t *testing.T) {
	base := func() Request {
		return Request{
			ID: "1", Texts: map[string][]string{"prompt": {"a cat"}}, Images: map[string][]Image{"image": {rgb(8, 4)}, "reference": {rgb(1, 1)}},
			Values: schema.Values{"steps": int64(8), "style": "oil", "seed": int64(1)},
		}
	}
	d := inpainting()
	d.Parameters = append(d.Parameters, schema.Parameter{Name: "style", Type: schema.String})
	d.Capabilities.MaxBatch, d.Capabilities.BatchKey = 4, []string{"steps", "style", "image"}
	key := d.BatchKeyOf(base())
	for name, c := range map[string]struct {
		change func(*Request)
		same   bool
	}{
		"nothing":         {func(*Request) {}, true},
		"the text":        {func(r *Request) { r.Texts["prompt"] = []string{"a dog"} }, true},
		"the seed":        {func(r *Request) { r.Values["seed"] = int64(2) }, true},
		"another image":   {func(r *Request) { r.Images["reference"] = []Image{rgb(2, 2)} }, true},
		"the pixels":      {func(r *Request) { r.Images["image"][0].Data[0]++ }, true},
		"a value":         {func(r *Request) { r.Values["steps"] = int64(9) }, false},
		"no value":        {func(r *Request) { delete(r.Values, "steps") }, false},
		"another type":    {func(r *Request) { r.Values["steps"] = 8.5 }, false},
		"a size":          {func(r *Request) { r.Images["image"] = []Image{rgb(4, 8)} }, false},
		"a count":         {func(r *Request) { r.Images["image"] = []Image{rgb(8, 4), rgb(8, 4)} }, false},
		"no image":        {func(r *Request) { delete(r.Images, "image") }, false},
		"a forged string": {func(r *Request) { r.Values["style"] = `oil" image=8x4,` }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := base()
			c.change(&r)
			if got := d.BatchKeyOf(r); (got == key) != c.same || got == "" {
				t.Errorf("%q and %q", got, key)
			}
		})
	}
	d.Capabilities.BatchKey = nil
	if d.BatchKeyOf(base()) != d.BatchKeyOf(Request{}) || d.BatchKeyOf(base()) == "" {
		t.Error("without a key any requests go together")
	}
	d.Capabilities.MaxBatch = 1
	if d.BatchKeyOf(base()) != "" {
		t.Error("a key without batches")
	}
}
