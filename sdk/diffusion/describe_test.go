package diffusion

import (
	"errors"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
)

func TestProviderOn_agrees_with_the_device(t *testing.T) {
	for _, c := range []struct{ kind, asked, want string }{
		{"cpu", "auto", "cpu"}, {"cuda", "auto", "cuda"}, {"", "auto", "cpu"}, {"cpu", "", "cpu"}, {"cuda", "", "cuda"},
		{"cpu", "cpu", "cpu"}, {"cuda", "cuda", "cuda"}, {"cuda", "tensorrt", "tensorrt"},
		{"cpu", "webgpu", "webgpu"}, {"cuda", "webgpu", "webgpu"},
		{"cuda", "cpu", ""}, {"cpu", "cuda", ""}, {"cpu", "tensorrt", ""},
	} {
		got, err := providerOn(sdk.Device{Name: "dev0", Kind: c.kind}, c.asked)
		if c.want != "" && (got != c.want || err != nil) {
			t.Errorf("%s on %s is %q, %v", c.asked, c.kind, got, err)
		}
		if c.want != "" {
			continue
		}
		if !errors.Is(err, sdk.ErrInvalidInput) || sdk.AsError(err).Param != "provider" {
			t.Errorf("%s on %s: %v", c.asked, c.kind, err)
			continue
		}
		for _, what := range []string{c.asked, "dev0", "kind " + c.kind, "set provider = "} {
			if !strings.Contains(err.Error(), what) {
				t.Errorf("%q does not say %q", err, what)
			}
		}
	}
}

func TestSessionOptions_are_those_of_the_device_by_default(t *testing.T) {
	needLibrary(t)
	values, faults := SessionSchema().Validate(nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	c := sdk.Config{Values: values, Device: sdk.Device{Name: "cpu0", Kind: "cpu", Threads: 3}}
	if o, err := SessionOptions(t.Context(), c); err != nil || o.Provider != "cpu" || o.Threads != 3 || o.Optimization != "all" {
		t.Errorf("%+v, %v", o, err)
	}
	c.Device.Kind, c.Values["provider"] = "cuda", "cpu"
	if _, err := SessionOptions(t.Context(), c); !errors.Is(err, sdk.ErrInvalidInput) {
		t.Error(err)
	}
}
