package diffusion

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/onnx"
)

func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
}

// painter is a task as a plugin declares it.
var painter = Task{
	Endpoint: "painter", Parameters: Size, Width: sdk.Extent{Parameter: "width"}, Height: sdk.Extent{Parameter: "height"},
	Paint: func(ctx context.Context, p *Pipeline, q Query) (Painting, error) {
		return p.TextToImage(ctx, q.Request, int(q.Values.Int("width")), int(q.Values.Int("height")), q.Progress)
	},
}

// configFor is what the host would give for this model folder.
func configFor(t testing.TB, model string) sdk.Config {
	t.Helper()
	model, err := filepath.Abs(model)
	if err != nil {
		t.Fatal(err)
	}
	values, faults := NewEndpoint(painter).Describe().Config.Validate(map[string]any{"model": model})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return sdk.Config{Values: values, Device: sdk.Device{Name: "cpu0", Kind: "cpu", Threads: 1}}
}

var (
	paintOnce   sync.Once
	painting    sdk.Endpoint
	description sdk.Description
	paintErr    error
)

// ready is the endpoint with the bundled model, loaded once for all tests.
func ready(t testing.TB) (sdk.Endpoint, sdk.Description) {
	t.Helper()
	needLibrary(t)
	paintOnce.Do(func() {
		painting = NewEndpoint(painter)
		if description, paintErr = painting.Configure(context.Background(), configFor(t, tiny)); paintErr == nil {
			paintErr = painting.Load(context.Background(), func(float64, string) {})
		}
	})
	if paintErr != nil {
		t.Fatal(paintErr)
	}
	return painting, description
}

const circle = "a red circle on a blue background"

// request is one that has been checked against the description, as the host does it.
func checked(t testing.TB, d sdk.Description, prompt string, parameters map[string]any) sdk.Request {
	t.Helper()
	r, err := d.CheckRequest(sdk.Request{ID: "1", Texts: map[string][]string{"prompt": {prompt}}}, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// infer runs a request, and checks the answer against the description, as the host does it.
func infer(t testing.TB, prompt string, parameters map[string]any) sdk.Result {
	t.Helper()
	e, d := ready(t)
	r := checked(t, d, prompt, parameters)
	result, err := e.Infer(t.Context(), r, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CheckResult(r, result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestDescribe_is_well_formed_without_a_model(t *testing.T) {
	if err := NewEndpoint(painter).Describe().Check(); err != nil {
		t.Error(err)
	}
}

func TestConfigure_refines_the_description_to_the_model(t *testing.T) {
	needLibrary(t)
	e := NewEndpoint(painter)
	before := e.Describe()
	d, err := e.Configure(t.Context(), configFor(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	for _, side := range []string{"width", "height"} {
		if p, ok := d.Parameters.Lookup(side); !ok || *p.Min != 64 || *p.Max != 256 || p.Default != int64(128) {
			t.Errorf("%s: %s, by default %v", side, p.Expectation(), p.Default)
		}
	}
	if p, _ := d.Parameters.Lookup("steps"); p.Default != int64(12) {
		t.Errorf("steps: by default %v", p.Default)
	}
	if p, _ := d.Parameters.Lookup("guidance_scale"); p.Default != 4.0 {
		t.Errorf("guidance_scale: by default %v", p.Default)
	}
	if d.MemoryBytes <= 0 || d.MemoryBytes >= before.MemoryBytes {
		t.Errorf("the tiny model needs %d bytes, an unknown one %d", d.MemoryBytes, before.MemoryBytes)
	}
}

func TestConfigure_blames_the_model_for_a_wrong_folder(t *testing.T) {
	for name, folder := range map[string]string{"empty": t.TempDir(), "not there": filepath.Join(t.TempDir(), "nowhere"), "a file": "main.go"} {
		_, err := NewEndpoint(painter).Configure(t.Context(), configFor(t, folder))
		if e := sdk.AsError(err); !errors.Is(err, sdk.ErrInvalidInput) || e.Param != "model" || !strings.Contains(e.Message, folder) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestInfer_paints_what_the_prompt_says(t *testing.T) {
	result := infer(t, circle, map[string]any{"seed": 7, "steps": 12})
	picture, err := png.Decode(bytes.NewReader(result.Images[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	if b := picture.Bounds(); b.Dx() != 128 || b.Dy() != 128 {
		t.Errorf("the size is %v", b)
	}
	high := func(x, y int) [3]bool {
		r, g, b, _ := picture.At(x, y).RGBA()
		return [3]bool{r > 0x7fff, g > 0x7fff, b > 0x7fff}
	}
	if high(64, 64) != [3]bool{true, false, false} || high(4, 4) != [3]bool{false, false, true} {
		t.Errorf("the middle is %v, the corner %v", picture.At(64, 64), picture.At(4, 4))
	}
	if len(result.Warnings) > 0 {
		t.Errorf("warnings: %v", result.Warnings)
	}
}

func TestInfer_gives_the_same_bytes_for_the_same_seed(t *testing.T) {
	bytesOf := func(seed int) []byte {
		t.Helper()
		return infer(t, circle, map[string]any{"seed": seed, "steps": 4}).Images[0].Data
	}
	seven := bytesOf(7)
	if !bytes.Equal(seven, bytesOf(7)) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(seven, bytesOf(8)) {
		t.Error("another seed gives the same bytes")
	}
}

func TestInfer_ends_within_a_step_of_its_context(t *testing.T) {
	e, d := ready(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &watcher{cancel: cancel, stop: 3}
	if _, err := e.Infer(ctx, checked(t, d, circle, map[string]any{"seed": 7, "steps": 50}), w); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(w.steps); n < 3 || n > 4 {
		t.Errorf("cancelled at step 3, it went on to %d", n)
	}
}

func TestInfer_warns_of_words_that_the_model_does_not_know(t *testing.T) {
	result := infer(t, "a red unicorn", map[string]any{"seed": 7, "steps": 1})
	if got := strings.Join(result.Warnings, "\n"); !strings.Contains(got, "unicorn") {
		t.Errorf("%q", got)
	}
}

func TestClose_may_follow_an_error(t *testing.T) {
	e := NewEndpoint(painter)
	if _, err := e.Configure(t.Context(), configFor(t, t.TempDir())); err == nil {
		t.Fatal("an empty folder is accepted")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
