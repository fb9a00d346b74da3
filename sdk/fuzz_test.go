package sdk

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

func FuzzFromRequest(f *testing.F) {
	for _, r := range []*pb.InferRequest{
		{},
		{
			Id: "1", Previews: true, Slot: &pb.Slot{Offset: 1, Size: 2},
			Texts:  map[string]*pb.Texts{"prompt": {Texts: []string{"a", "b"}}, "none": nil},
			Images: map[string]*pb.Images{"image": {Images: []*pb.Image{{MediaType: PNG, Width: 1 << 31, Height: 2, Data: []byte{1}}, nil}}, "none": {}},
			Values: []*pb.NamedValue{{Name: "a", Value: &pb.Value{Kind: &pb.Value_Bool{Bool: true}}}, {Name: "b", Value: &pb.Value{Kind: &pb.Value_Int{Int: -1}}}, {Name: "c"}, {}},
		},
	} {
		data, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	d := inpainting()
	f.Fuzz(func(t *testing.T, data []byte) {
		var message pb.InferRequest
		if proto.Unmarshal(data, &message) != nil {
			return
		}
		got := fromRequest(&message)
		if got.ID != message.GetId() {
			t.Errorf("the id is %q, not %q", got.ID, message.GetId())
		}
		for name, texts := range message.GetTexts() {
			if len(got.Texts[name]) != len(texts.GetTexts()) {
				t.Errorf("%d of %d texts", len(got.Texts[name]), len(texts.GetTexts()))
			}
		}
		for name, images := range message.GetImages() {
			if len(got.Images[name]) != len(images.GetImages()) {
				t.Fatalf("%d of %d images", len(got.Images[name]), len(images.GetImages()))
			}
			for i, image := range images.GetImages() {
				if g := got.Images[name][i]; g.Width < 0 || g.Height < 0 || !bytes.Equal(g.Data, image.GetData()) {
					t.Errorf("%d x %d px, %d bytes", g.Width, g.Height, len(g.Data))
				}
			}
		}
		for name, v := range got.Values {
			switch v.(type) {
			case bool, int64, float64, string:
			default:
				t.Errorf("%s holds a %T", name, v)
			}
		}
		// What comes out may be wrong in any way, but the checks must cope with it.
		if r, err := d.CheckRequest(got, got.Values); err == nil && r.Text("prompt") == "" {
			t.Error("a request without a prompt is accepted")
		}
		_ = d.CheckResult(got, Result{Images: []Image{rgb(1, 1)}})
		if config := fromConfig(&pb.ConfigureRequest{Values: message.GetValues()}); config.Device.Threads < 1 {
			t.Errorf("%d threads", config.Device.Threads)
		}
	})
}
