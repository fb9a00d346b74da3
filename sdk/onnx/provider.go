package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// Providers are the execution providers that a session can use. Which of them work, the library and the machine decide; see Probe.
func Providers() []string { return []string{"cpu", "cuda", "tensorrt", "webgpu"} }

func appendProvider(options *ort.SessionOptions, name string) error {
	switch name {
	case "", "cpu":
		return nil
	case "cuda":
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer cuda.Destroy()
		return options.AppendExecutionProviderCUDA(cuda)
	case "tensorrt":
		tensorrt, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer tensorrt.Destroy()
		return options.AppendExecutionProviderTensorRT(tensorrt)
	case "webgpu":
		return options.AppendExecutionProvider("WebGPU", nil)
	}
	return fmt.Errorf("unknown provider %q: one of %s", name, strings.Join(Providers(), ", "))
}

// envProbe makes this program try the provider that it names and exit.
const envProbe = "VISION_ONNX_PROBE"

// probeTime bounds a probe: a driver that hangs is a provider that does not work.
const probeTime = 60 * time.Second

// Probe reports why a provider does not work here. It tries it in a throw-away process of this same program, since a provider that fails
// can leave the runtime unable to end, or take the process along.
func Probe(ctx context.Context, provider string) error {
	if !slices.Contains(Providers(), provider) {
		return fmt.Errorf("unknown provider %q: one of %s", provider, strings.Join(Providers(), ", "))
	}
	if err := Open(); err != nil || provider == "cpu" {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("probe %s: %w", provider, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), envProbe+"="+provider)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(colours.ReplaceAllString(string(out), "")), " ")
	if len(text) > 300 {
		text = "..." + strings.ToValidUTF8(text[len(text)-300:], "")
	}
	path, _ := Find()
	return fmt.Errorf("the provider %s does not work here: set %s to a library that has it, or use the provider cpu on a cpu device; %s says: %s (%w)", provider, EnvLibrary, path, text, err)
}

// colours are terminal escapes, which the runtime writes into its messages.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// The probe runs before main, in whatever program has this package: a plugin's main would serve.
func init() {
	provider := os.Getenv(envProbe)
	if provider == "" {
		return
	}
	if err := tryProvider(provider); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0) // without ending the runtime, which crashes after some failures
}

func tryProvider(provider string) error {
	if err := Open(); err != nil {
		return err
	}
	options, err := Options{Provider: provider}.session()
	if err != nil {
		return err
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(identityModel(), []string{"x"}, []string{"y"}, options)
	if err != nil {
		return err
	}
	x, err := ort.NewTensor(ort.NewShape(1), []float32{3})
	if err != nil {
		return err
	}
	out := []ort.Value{nil}
	if err := session.Run([]ort.Value{x}, out); err != nil {
		return err
	}
	if y, ok := out[0].(*ort.Tensor[float32]); !ok || y.GetData()[0] != 3 {
		return errors.New("the provider computes wrong results")
	}
	return nil
}

// identityModel is y = x for one float, as ONNX bytes (onnx.proto3 of ONNX 1.12, opset 17).
func identityModel() []byte {
	field := func(number byte, data ...byte) []byte { return append([]byte{number<<3 | 2, byte(len(data))}, data...) }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	dim := field(1, 0x08, 1)                                      // TensorShapeProto.dim { dim_value: 1 }
	float := field(1, join([]byte{0x08, 1}, field(2, dim...))...) // TypeProto.tensor_type { elem_type: FLOAT, shape }
	value := func(name string) []byte { return join(field(1, []byte(name)...), field(2, float...)) }
	node := join(field(1, 'x'), field(2, 'y'), field(4, []byte("Identity")...))
	graph := join(field(1, node...), field(2, 'g'), field(11, value("x")...), field(12, value("y")...))
	return join([]byte{0x08, 8}, field(7, graph...), field(8, 0x10, 17))
}
