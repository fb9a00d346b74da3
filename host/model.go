package host

import (
	"context"
	"errors"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// Verdict is what one plugin says of a model folder.
type Verdict struct {
	Plugin string
	Notes  []string // what it has found in the folder, when it accepts it
	Err    error    // why it does not
}

// modelParameter is the name of the config parameter that a model folder is given in.
const modelParameter = "model"

// CheckModel asks every declared plugin that takes a model, each with its own configuration otherwise, what it says of this folder. The
// path is absolute. No weights are loaded.
func (h *Host) CheckModel(ctx context.Context, dir string) ([]Verdict, error) {
	var out []Verdict
	for _, p := range h.setup.parts {
		parameter, ok := p.description.Config.Lookup(modelParameter)
		if !ok || parameter.Format != schema.FormatPath {
			continue
		}
		raw := map[string]any{modelParameter: dir}
		for name, value := range p.values {
			if name != modelParameter {
				raw[name] = value
			}
		}
		values, faults := p.description.Config.Validate(raw)
		if len(faults) > 0 {
			return nil, sdk.InvalidInputs(faults)
		}
		asked := &part{plugin: p.plugin, binary: p.binary, description: p.description, values: values, bytes: p.bytes, devices: p.devices}
		d, err := h.inspect(ctx, asked)
		out = append(out, Verdict{Plugin: p.plugin.Name, Notes: d.Notes, Err: err})
	}
	if len(out) == 0 {
		return nil, errors.New("no declared plugin takes a model: declare those that are to serve it")
	}
	return out, nil
}
