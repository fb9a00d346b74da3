package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/link"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

// fake is an endpoint of functions; a nil one does nothing.
type fake struct {
	describe  func() sdk.Description
	configure func(context.Context, sdk.Config) (sdk.Description, error)
	load      func(context.Context, sdk.LoadProgress) error
	infer     func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error)
	close     func() error
}

func (f *fake) Describe() sdk.Description {
	if f.describe == nil {
		return plain()
	}
	return f.describe()
}

func (f *fake) Configure(ctx context.Context, c sdk.Config) (sdk.Description, error) {
	if f.configure == nil {
		return f.Describe(), nil
	}
	return f.configure(ctx, c)
}

func (f *fake) Load(ctx context.Context, p sdk.LoadProgress) error {
	if f.load == nil {
		return nil
	}
	return f.load(ctx, p)
}

func (f *fake) Infer(ctx context.Context, r sdk.Request, p sdk.Progress) (sdk.Result, error) {
	if f.infer == nil {
		return picture(1, 1), nil
	}
	return f.infer(ctx, r, p)
}

func (f *fake) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// plain answers any request with a raw picture of any size.
func plain() sdk.Description {
	return sdk.Description{Endpoint: "fake", Output: sdk.Output{Kind: sdk.ImageOutput, MediaType: sdk.RawRGB}}
}

func picture(w, h int) sdk.Result {
	data := make([]byte, w*h*3)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return sdk.Result{Images: []sdk.Image{{MediaType: sdk.RawRGB, Width: w, Height: h, Data: data}}}
}

// serve runs the endpoint on an in-process connection.
func serve(t testing.TB, e sdk.Endpoint) *wire.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(link.ServerOptions()...)
	sdk.Register(server, e)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	options := append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:///plugin", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return wire.New(conn, nil)
}

// ready serves the endpoint, configured and loaded.
func ready(t testing.TB, e sdk.Endpoint) (*wire.Client, sdk.Description) {
	t.Helper()
	c := serve(t, e)
	d, err := c.Configure(t.Context(), sdk.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(t.Context(), func(float64, string) {}); err != nil {
		t.Fatal(err)
	}
	return c, d
}

// eventually polls for what only the other side of the connection can tell.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func active(t testing.TB, c *wire.Client) []string {
	t.Helper()
	h, err := c.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h.Active
}

func rich() sdk.Description {
	return sdk.Description{
		Endpoint: "image-to-image", Title: "Image to image", Doc: "Changes a picture.", Version: "1.2.3",
		Inputs: []sdk.Input{
			{Name: "prompt", Doc: "What to see.", Kind: sdk.TextInput, Required: true, MaxCount: 3, MaxLength: 77},
			{Name: "image", Doc: "The picture.", Kind: sdk.ImageInput, Required: true, MaxCount: 16, MaxPixels: 1 << 20, Content: sdk.Lines},
			{Name: "mask", Doc: "Where to change it.", Kind: sdk.MaskInput, SameSizeAs: "image"},
		},
		OneOf: []string{"prompt", "mask"},
		Parameters: schema.Schema{
			{
				Name: "steps", Doc: "Steps.", Type: schema.Int, Default: int64(8), Min: schema.Bound(0), Max: schema.Bound(64), MultipleOf: 4,
				Sampling: &schema.Sampling{Min: schema.Bound(4), Max: schema.Bound(8), Values: []any{int64(4), int64(8)}},
			},
			{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true},
			{Name: "strength", Type: schema.Float, Default: 0.0, Min: schema.Bound(-1), Max: schema.Bound(1)},
			{Name: "style", Type: schema.String, Default: "oil", Allowed: []any{"oil", ""}, MaxLength: 9},
			{Name: "fast", Type: schema.Bool, Default: false},
			{Name: "more", Type: schema.Int, Required: true},
		},
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.PNG, Dimensions: 512, MaxBytes: 5 << 20, SameCosine: 0.75,
			Width:  sdk.Extent{Input: "image", Times: "steps", Plus: []string{"more", "seed"}},
			Height: sdk.Extent{Parameter: "more"},
		},
		Config: schema.Schema{
			{Name: "model", Doc: "A folder.", Type: schema.String, Required: true, Format: schema.FormatPath},
			{Name: "safety", Type: schema.Bool, Default: true},
		},
		MemoryBytes:  6 << 30,
		Capabilities: sdk.Capabilities{MaxConcurrency: 256, Progress: true, Previews: true, Cancellation: true, Deterministic: true, MaxBatch: 64, BatchKey: []string{"steps", "image"}},
	}
}

func TestDescription_survives_the_wire(t *testing.T) {
	configured := make(chan sdk.Config, 1)
	c := serve(t, &batcher{fake: fake{describe: rich, configure: func(_ context.Context, got sdk.Config) (sdk.Description, error) {
		configured <- got
		d := rich()
		d.Title = "Configured"
		return d, nil
	}}})
	got, version, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, rich()) || version != sdk.Version {
		t.Errorf("\n%+v of %s, want\n%+v", got, version, rich())
	}
	config := sdk.Config{
		Values: schema.Values{"model": "/models/x", "safety": false, "n": int64(-1), "x": 0.5},
		Device: sdk.Device{Name: "gpu0", Kind: "cuda", MemoryBytes: 80 << 30, Threads: 12},
	}
	want := rich()
	want.Title = "Configured"
	if got, err = c.Configure(t.Context(), config); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("\n%+v, want\n%+v, %v", got, want, err)
	}
	if got := <-configured; !reflect.DeepEqual(got, config) {
		t.Errorf("\n%+v, want\n%+v", got, config)
	}
	if got, _, err = c.Describe(t.Context()); err != nil || got.Title != "Configured" {
		t.Errorf("after Configure: %q, %v", got.Title, err)
	}
}

func TestDescription_that_is_wrong_is_an_internal_error(t *testing.T) {
	c := serve(t, &fake{describe: func() sdk.Description { return sdk.Description{Endpoint: "No Name"} }})
	if _, _, err := c.Describe(t.Context()); !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), `"No Name"`) {
		t.Errorf("Describe: %v", err)
	}
	if _, err := c.Configure(t.Context(), sdk.Config{}); !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), `"No Name"`) {
		t.Errorf("Configure: %v", err)
	}
}

func TestRequest_survives_the_wire(t *testing.T) {
	arrived := make(chan sdk.Request, 1)
	c, d := ready(t, &fake{infer: func(_ context.Context, r sdk.Request, _ sdk.Progress) (sdk.Result, error) {
		arrived <- r
		return picture(1, 1), nil
	}})
	want := sdk.Request{
		ID:    "request-1",
		Texts: map[string][]string{"prompt": {"a cat", "é日\n"}, "style": {""}},
		Images: map[string][]sdk.Image{
			"image": {{MediaType: sdk.PNG, Width: 2000, Height: 2000, Data: bytes.Repeat([]byte("0123456789"), 500_000)}, {MediaType: sdk.JPEG, Width: 1, Height: 2, Data: []byte{0}}},
			"mask":  {{MediaType: sdk.WebP, Width: 3, Height: 4, Data: []byte{1, 2}}},
		},
		Values: schema.Values{"seed": int64(1 << 40), "strength": -0.25, "style": "", "fast": false},
	}
	if _, err := c.Infer(t.Context(), d, want, wire.Sink{}, nil); err != nil {
		t.Fatal(err)
	}
	if got := <-arrived; !reflect.DeepEqual(got, want) {
		t.Errorf("another request arrived: %.500v", fmt.Sprintf("%+v", got))
	}
}

func TestResult_survives_the_wire(t *testing.T) {
	large := picture(1024, 1024)
	large.Values = schema.Values{"seed": int64(7), "scheduler": "euler", "scale": 1.5, "safe": true}
	large.Warnings = []string{"the prompt was cut", "é"}
	unsafe := sdk.Result{
		Unsafe: true, Values: schema.Values{},
		Features: &sdk.Features{Hashes: map[string]string{"phash": "ffee", "ahash": ""}, Embedding: []float32{0.5, -0.25}},
	}
	small := picture(1, 1)
	small.Values = schema.Values{}
	for name, want := range map[string]sdk.Result{"3 MiB": large, "unsafe": unsafe, "small": small} {
		t.Run(name, func(t *testing.T) {
			c, d := ready(t, &fake{infer: func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) { return want, nil }})
			got, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("another result arrived: %.500s", fmt.Sprintf("%+v", got))
			}
		})
	}
}

func TestResult_of_embeddings_survives_the_wire(t *testing.T) {
	d := sdk.Description{Endpoint: "fake", Inputs: []sdk.Input{{Name: "text", Kind: sdk.TextInput, MaxCount: 2}}, Output: sdk.Output{Kind: sdk.EmbeddingOutput}}
	want := [][]float32{{1, 0, 0}, {0, 0.6, -0.8}}
	c, d := ready(t, &fake{
		describe: func() sdk.Description { return d },
		infer: func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) {
			return sdk.Result{Embeddings: want}, nil
		},
	})
	got, err := c.Infer(t.Context(), d, sdk.Request{ID: "1", Texts: map[string][]string{"text": {"a", "b"}}}, wire.Sink{}, nil)
	if err != nil || !reflect.DeepEqual(got.Embeddings, want) {
		t.Errorf("%v, %v", got.Embeddings, err)
	}
}

func TestResult_beyond_the_declared_bytes_is_refused(t *testing.T) {
	c, d := ready(t, &fake{
		describe: func() sdk.Description { d := plain(); d.Output.MaxBytes = 47; return d },
		infer:    func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) { return picture(4, 4), nil },
	})
	if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil); !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), "47 bytes") {
		t.Error(err)
	}
	d.Output.MaxBytes = 48
	if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "2"}, wire.Sink{}, nil); err != nil {
		t.Error(err)
	}
}

func TestProgress_arrives_in_order_and_only_grows(t *testing.T) {
	c, d := ready(t, &fake{infer: func(_ context.Context, _ sdk.Request, p sdk.Progress) (sdk.Result, error) {
		for _, done := range []int{1, 1, 0, 3, 2, 9, 4} { // of 4: what does not grow is dropped
			p.Step(done, 4)
			if p.WantsPreview() {
				p.Preview(sdk.Image{MediaType: sdk.JPEG, Width: done, Height: 1, Data: []byte{byte(done)}})
			}
		}
		go p.Step(4, 4) // may come after the result
		return picture(1, 1), nil
	}})
	var events []string
	sink := wire.Sink{Accepted: func() { events = append(events, "accepted") }, Step: func(done, total int) {
		events = append(events, fmt.Sprint("step ", done, "/", total))
	}}
	if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, sink, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"accepted", "step 1/4", "step 3/4", "step 4/4"}; !slices.Equal(events, want) {
		t.Errorf("%v, want %v", events, want)
	}
	var previews []int
	sink = wire.Sink{Preview: func(i sdk.Image) {
		if i.MediaType == sdk.JPEG && i.Height == 1 && len(i.Data) == 1 {
			previews = append(previews, i.Width)
		}
	}}
	if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "2"}, sink, nil); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 1, 0, 3, 2, 9, 4}; !slices.Equal(previews, want) {
		t.Errorf("%v, want %v", previews, want)
	}
}

func TestLoad_progress_arrives_within_its_bounds(t *testing.T) {
	c := serve(t, &fake{load: func(_ context.Context, p sdk.LoadProgress) error {
		p(-1, "a")
		p(0.5, "b")
		p(2, "")
		return nil
	}})
	if _, err := c.Configure(t.Context(), sdk.Config{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := c.Load(t.Context(), func(f float64, stage string) { got = append(got, fmt.Sprint(f, " ", stage)) }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0 a", "0.5 b", "1 "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

var codes = []*sdk.Error{
	sdk.ErrInvalidInput, sdk.ErrUnsafe, sdk.ErrOutOfMemory, sdk.ErrCancelled, sdk.ErrDeadline, sdk.ErrBusy, sdk.ErrUnavailable, sdk.ErrInternal,
}

// fail is an endpoint whose every method fails with err.
func fail(err error) *fake {
	return &fake{
		configure: func(context.Context, sdk.Config) (sdk.Description, error) { return plain(), err },
		infer:     func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) { return picture(1, 1), err },
	}
}

func TestErrors_of_every_code_survive_the_wire(t *testing.T) {
	for _, sentinel := range codes {
		want := &sdk.Error{
			Code: sentinel.Code, Message: "what happened: é", Param: "steps", RetryAfter: 1500 * time.Millisecond,
			Faults: schema.Faults{{Param: "steps", Message: "is 0"}, {Param: "seed", Message: "is -1"}},
		}
		t.Run(string(want.Code), func(t *testing.T) {
			_, err := serve(t, fail(fmt.Errorf("outer: %w", want))).Configure(t.Context(), sdk.Config{})
			if !errors.Is(err, sentinel) || !reflect.DeepEqual(err, error(want)) {
				t.Errorf("Configure: %+v, want %+v", err, want)
			}
			e := fail(want)
			e.configure = nil
			c, d := ready(t, e)
			if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil); !errors.Is(err, sentinel) || !reflect.DeepEqual(err, error(want)) {
				t.Errorf("Infer: %+v, want %+v", err, want)
			}
			c = serve(t, &fake{load: func(context.Context, sdk.LoadProgress) error { return want }})
			if _, err := c.Configure(t.Context(), sdk.Config{}); err != nil {
				t.Fatal(err)
			}
			if err := c.Load(t.Context(), func(float64, string) {}); !reflect.DeepEqual(err, error(want)) {
				t.Errorf("Load: %+v, want %+v", err, want)
			}
		})
	}
}

// A native library's message may be cut in the middle of a character; the code and the parameter must not go with it.
func TestErrors_with_broken_text_keep_their_code(t *testing.T) {
	for _, sentinel := range codes {
		t.Run(string(sentinel.Code), func(t *testing.T) {
			_, err := serve(t, fail(&sdk.Error{Code: sentinel.Code, Message: "broken: \xc3", Param: "steps"})).Configure(t.Context(), sdk.Config{})
			if !errors.Is(err, sentinel) || sdk.AsError(err).Param != "steps" || !strings.Contains(err.Error(), "broken") {
				t.Errorf("%#v is no %s", err, sentinel.Code)
			}
		})
	}
}

func TestErrors_of_other_types_get_a_code(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want *sdk.Error
	}{
		"plain":        {errors.New("cuDNN failed"), sdk.ErrInternal},
		"unknown code": {&sdk.Error{Code: "newer", Message: "cuDNN failed"}, sdk.ErrInternal},
		"cancelled":    {context.Canceled, sdk.ErrCancelled},
		"deadline":     {context.DeadlineExceeded, sdk.ErrDeadline},
	} {
		if _, err := serve(t, fail(c.err)).Configure(t.Context(), sdk.Config{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrors_are_bounded(t *testing.T) {
	_, err := serve(t, fail(&sdk.Error{Code: sdk.CodeBusy, Message: strings.Repeat("x", 100_000), RetryAfter: 1000 * time.Hour})).Configure(t.Context(), sdk.Config{})
	if e := sdk.AsError(err); e.Code != sdk.CodeBusy || len(e.Message) > 5000 || e.RetryAfter != 24*time.Hour {
		t.Errorf("%d characters, %s", len(e.Message), e.RetryAfter)
	}
}

func TestPanic_in_any_method_is_an_internal_error(t *testing.T) {
	is := func(t *testing.T, err error, method string) {
		t.Helper()
		if !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), "panicked in "+method) || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%v", err)
		}
	}
	t.Run("Describe", func(t *testing.T) {
		_, _, err := serve(t, &fake{describe: func() sdk.Description { panic("boom") }}).Describe(t.Context())
		is(t, err, "Describe")
	})
	t.Run("Configure", func(t *testing.T) {
		_, err := serve(t, &fake{configure: func(context.Context, sdk.Config) (sdk.Description, error) { panic("boom") }}).Configure(t.Context(), sdk.Config{})
		is(t, err, "Configure")
	})
	t.Run("Load", func(t *testing.T) {
		c := serve(t, &fake{load: func(context.Context, sdk.LoadProgress) error { panic("boom") }})
		if _, err := c.Configure(t.Context(), sdk.Config{}); err != nil {
			t.Fatal(err)
		}
		is(t, c.Load(t.Context(), func(float64, string) {}), "Load")
		if h, err := c.Health(t.Context()); err != nil || h.State != "failed" {
			t.Errorf("%+v, %v", h, err)
		}
	})
	t.Run("Infer", func(t *testing.T) {
		first := true
		c, d := ready(t, &fake{infer: func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) {
			if first {
				first = false
				panic("boom")
			}
			return picture(1, 1), nil
		}})
		_, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil)
		is(t, err, "Infer")
		if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
	t.Run("Close", func(t *testing.T) {
		is(t, serve(t, &fake{close: func() error { panic("boom") }}).Shutdown(t.Context()), "Close")
	})
}

// blocked is an endpoint whose Infer says that it runs and then waits for release or its context.
func blocked(concurrency int) (e *fake, entered chan string, release chan struct{}) {
	entered, release = make(chan string, 100), make(chan struct{})
	return &fake{
		describe: func() sdk.Description { d := plain(); d.Capabilities.MaxConcurrency = concurrency; return d },
		infer: func(ctx context.Context, r sdk.Request, _ sdk.Progress) (sdk.Result, error) {
			entered <- r.ID
			select {
			case <-release:
				return picture(1, 1), nil
			case <-ctx.Done():
				return sdk.Result{}, errors.New("the endpoint's own words")
			}
		},
	}, entered, release
}

func TestCancel_and_deadline_end_the_work_and_are_told_apart(t *testing.T) {
	e, entered, _ := blocked(1)
	c, d := ready(t, e)
	for name, s := range map[string]struct {
		want *sdk.Error
		ctx  func() (context.Context, context.CancelFunc)
	}{
		"cancelled": {sdk.ErrCancelled, func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }},
		"deadline": {sdk.ErrDeadline, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 50*time.Millisecond)
		}},
	} {
		ctx, cancel := s.ctx()
		if s.want == sdk.ErrCancelled {
			go func() {
				<-entered
				cancel()
			}()
		}
		if _, err := c.Infer(ctx, d, sdk.Request{ID: name}, wire.Sink{}, nil); !errors.Is(err, s.want) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		eventually(t, "the work ends", func() bool { return len(active(t, c)) == 0 })
	}
}

func TestCancel_of_a_waiting_request_gives_its_place_back(t *testing.T) {
	e, entered, release := blocked(1)
	c, d := ready(t, e)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "first"}, wire.Sink{}, nil); err != nil {
			t.Error(err)
		}
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() {
		_, err := c.Infer(ctx, d, sdk.Request{ID: "second"}, wire.Sink{Accepted: func() { t.Error("the second one was accepted") }}, nil)
		waits <- err
	}()
	eventually(t, "both are there", func() bool { return slices.Equal(active(t, c), []string{"first", "second"}) })
	cancel()
	if err := <-waits; !errors.Is(err, sdk.ErrCancelled) {
		t.Error(err)
	}
	eventually(t, "the second has gone", func() bool { return slices.Equal(active(t, c), []string{"first"}) })
	close(release)
}

func TestConcurrency_is_held_to_what_the_description_says(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			const requests = 12
			bound := max(limit, 1)
			var running, most atomic.Int64
			entered, release := make(chan struct{}, requests), make(chan struct{})
			c, d := ready(t, &fake{
				describe: func() sdk.Description { d := plain(); d.Capabilities.MaxConcurrency = limit; return d },
				infer: func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) {
					n := running.Add(1)
					defer running.Add(-1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					entered <- struct{}{}
					<-release
					return picture(1, 1), nil
				},
			})
			var group sync.WaitGroup
			for i := range requests {
				group.Go(func() {
					if _, err := c.Infer(t.Context(), d, sdk.Request{ID: strconv.Itoa(i)}, wire.Sink{}, nil); err != nil {
						t.Error(err)
					}
				})
			}
			for range bound {
				<-entered
			}
			eventually(t, "all have arrived", func() bool { return len(active(t, c)) == requests })
			for range requests - bound { // each that ends lets exactly one in
				release <- struct{}{}
				<-entered
			}
			for range bound {
				release <- struct{}{}
			}
			group.Wait()
			if most.Load() != int64(bound) {
				t.Errorf("%d ran at once, declared %d", most.Load(), bound)
			}
		})
	}
}

func TestRequestID_must_be_given_and_distinct(t *testing.T) {
	e, entered, release := blocked(2)
	c, d := ready(t, e)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		if _, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil); err != nil {
			t.Error(err)
		}
	})
	<-entered
	for _, id := range []string{"", "1"} {
		if _, err := c.Infer(t.Context(), d, sdk.Request{ID: id}, wire.Sink{}, nil); !errors.Is(err, sdk.ErrInternal) {
			t.Errorf("%q: %v", id, err)
		}
	}
	close(release)
}

func TestDrain_refuses_new_requests_and_waits_for_the_others(t *testing.T) {
	e, entered, release := blocked(1)
	c, d := ready(t, e)
	first, drained := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.Infer(t.Context(), d, sdk.Request{ID: "first"}, wire.Sink{}, nil)
		first <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Drain(ctx); !errors.Is(err, sdk.ErrDeadline) {
		t.Errorf("Drain with a request under way: %v", err)
	}
	go func() { drained <- c.Drain(t.Context()) }()
	_, err := c.Infer(t.Context(), d, sdk.Request{ID: "second"}, wire.Sink{}, nil)
	if !errors.Is(err, sdk.ErrBusy) || sdk.AsError(err).RetryAfter <= 0 {
		t.Errorf("Infer while draining: %v", err)
	}
	select {
	case err := <-drained:
		t.Errorf("Drain returned with a request under way: %v", err)
	default:
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestShutdown_cancels_what_runs_and_closes_once_after_it(t *testing.T) {
	e, entered, _ := blocked(1)
	var inferring, closes atomic.Int64
	infer := e.infer
	e.infer = func(ctx context.Context, r sdk.Request, p sdk.Progress) (sdk.Result, error) {
		inferring.Add(1)
		defer inferring.Add(-1)
		return infer(ctx, r, p)
	}
	e.close = func() error {
		if closes.Add(1); inferring.Load() != 0 {
			t.Error("Close runs beside Infer")
		}
		return nil
	}
	c, d := ready(t, e)
	done := make(chan error, 1)
	go func() {
		_, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, wire.Sink{}, nil)
		done <- err
	}()
	<-entered
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, sdk.ErrCancelled) {
		t.Errorf("the request under way: %v", err)
	}
	if err := c.Shutdown(t.Context()); err != nil || closes.Load() != 1 {
		t.Errorf("closed %d times, %v", closes.Load(), err)
	}
	if h, err := c.Health(t.Context()); err != nil || h.State != "closed" {
		t.Errorf("%+v, %v", h, err)
	}
}

// Endpoint promises both: the context of Load ends with a shutdown, and Close does not run beside Load.
func TestShutdown_ends_Load_before_it_closes(t *testing.T) {
	var loading atomic.Bool
	loads, closed := make(chan struct{}), make(chan struct{})
	c := serve(t, &fake{
		load: func(ctx context.Context, _ sdk.LoadProgress) error {
			loading.Store(true)
			close(loads)
			select {
			case <-ctx.Done():
			case <-closed: // the promise is broken: do not hang
				t.Error("the context of Load did not end before Close")
			}
			loading.Store(false)
			return ctx.Err()
		},
		close: func() error {
			if loading.Load() {
				t.Error("Close runs beside Load")
			}
			close(closed)
			return nil
		},
	})
	if _, err := c.Configure(t.Context(), sdk.Config{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Load(t.Context(), func(float64, string) {}) }()
	<-loads
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("Load succeeded")
	}
}

func TestLifeCycle_holds_whatever_the_host_calls(t *testing.T) {
	c := serve(t, &fake{})
	health := func(want string) {
		t.Helper()
		if h, err := c.Health(t.Context()); err != nil || h.State != want {
			t.Errorf("%s, want %s, %v", h.State, want, err)
		}
	}
	load := func() error { return c.Load(t.Context(), func(float64, string) {}) }
	infer := func() error {
		_, err := c.Infer(t.Context(), plain(), sdk.Request{ID: "1"}, wire.Sink{}, nil)
		return err
	}
	configure := func() error {
		_, err := c.Configure(t.Context(), sdk.Config{})
		return err
	}
	health("created")
	if err := load(); !errors.Is(err, sdk.ErrInternal) {
		t.Errorf("Load before Configure: %v", err)
	}
	if err := infer(); !errors.Is(err, sdk.ErrBusy) {
		t.Errorf("Infer before Load: %v", err)
	}
	if err := configure(); err != nil {
		t.Fatal(err)
	}
	health("configured")
	if err := configure(); !errors.Is(err, sdk.ErrInternal) {
		t.Errorf("Configure twice: %v", err)
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	health("ready")
	if err := load(); !errors.Is(err, sdk.ErrInternal) {
		t.Errorf("Load twice: %v", err)
	}
	if err := infer(); err != nil {
		t.Errorf("Infer: %v", err)
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	health("draining")
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := infer(); !errors.Is(err, sdk.ErrBusy) {
		t.Errorf("Infer after Shutdown: %v", err)
	}
	health("closed")
}

func TestConnection_that_breaks_is_unavailable(t *testing.T) {
	listener := bufconn.Listen(1 << 10)
	listener.Close()
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := wire.New(conn, nil).Infer(t.Context(), plain(), sdk.Request{ID: "1"}, wire.Sink{}, nil); !errors.Is(err, sdk.ErrUnavailable) {
		t.Error(err)
	}
}
